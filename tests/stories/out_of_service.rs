//! What operators do to a running gateway, by the program itself: lines and routes out of service and back.

use super::command_line::{Folder, tidegate};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// A broken test fails after this long instead of hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// The network codes (element 70) that a line of the bank heard, and the end of a connection as an empty one.
struct BankLine {
    address: String,
    heard: Receiver<String>,
}

impl BankLine {
    fn open() -> Self {
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = door.local_addr().unwrap().to_string();
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = door.accept() {
                serve(stream, &tell);
            }
        });
        Self { address, heard }
    }

    #[track_caller]
    fn hears(&self, code: &str) {
        assert_eq!(self.heard.recv_timeout(PATIENCE).unwrap(), code);
    }
}

/// Agrees to every network message until the gateway closes.
fn serve(mut stream: TcpStream, tell: &Sender<String>) {
    loop {
        let mut length = [0; 2];
        match stream.read_exact(&mut length) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            read => read.unwrap(),
        }
        let mut body = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut body).unwrap();
        let body = String::from_utf8(body).unwrap();
        let (head, fields) = body.split_at(36);
        assert_eq!(head, "080082200000000000000400000000000000", "elements 7, 11 and 70");
        let (echoed, code) = fields.split_at(16);
        let reply = format!("081082200000020000000400000000000000{echoed}00{code}");
        let length = u16::try_from(reply.len()).unwrap().to_be_bytes();
        stream.write_all(&[&length[..], reply.as_bytes()].concat()).unwrap();
        // Echoes come when they come.
        if code != "301" {
            let _ = tell.send(code.to_owned());
        }
    }
    let _ = tell.send(String::new());
}

fn spawn(folder: &Folder) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["run", "-c", &folder.config()])
        .env("TIDEGATE_KEY_PASSPHRASE", "open sesame")
        .stderr(Stdio::from(std::fs::File::create(folder.path("log")).unwrap()))
        .spawn()
        .unwrap()
}

/// The program, running over two lines of a bank.
struct Running {
    folder: Folder,
    gateway: Child,
    lines: [BankLine; 2],
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.gateway.kill();
        let _ = self.gateway.wait();
    }
}

impl Running {
    fn start() -> Self {
        let folder = Folder::new();
        let lines = [BankLine::open(), BankLine::open()];
        let text = std::fs::read_to_string(folder.path("tidegate.toml")).unwrap();
        let text = text
            .replace("127.0.0.1:8443", "127.0.0.1:0")
            .replace("127.0.0.1:9464", "127.0.0.1:0")
            .replace("127.0.0.1:5001", &lines[0].address)
            .replace("127.0.0.1:5002", &lines[1].address);
        let route = "[[route]]\nname = \"visa\"\nhost = \"bank\"\nbins = [\"4\"]\n";
        std::fs::write(folder.path("tidegate.toml"), format!("{text}\n{route}")).unwrap();
        assert_eq!(tidegate(&["keys", "init", "-c", &folder.config()]).0, 0);
        let gateway = spawn(&folder);
        let running = Self { folder, gateway, lines };
        running.until("both lines serve", || {
            let (exit, out, _) = running.ask(&["line", "status", "--json"]);
            exit == 0 && out.matches("\"serving\"").count() == 2
        });
        running.lines.iter().for_each(|line| line.hears("001"));
        running
    }

    /// Killed, and started again.
    fn restart(&mut self) {
        self.gateway.kill().unwrap();
        self.gateway.wait().unwrap();
        self.lines.iter().for_each(|line| line.hears(""));
        self.gateway = spawn(&self.folder);
    }

    fn ask(&self, words: &[&str]) -> (i32, String, String) {
        tidegate(&[words, &["-c", &self.folder.config()]].concat())
    }

    #[track_caller]
    fn done(&self, words: &[&str]) -> Value {
        let (exit, out, err) = self.ask(&[words, &["--json"]].concat());
        assert_eq!(exit, 0, "{words:?}: {err}");
        serde_json::from_str(&out).unwrap()
    }

    #[track_caller]
    fn refused(&self, words: &[&str], expected: &str) {
        let (exit, _, err) = self.ask(words);
        assert_eq!(exit, 1, "{words:?}");
        assert!(err.contains(expected), "{err}");
    }

    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            let log = || std::fs::read_to_string(self.folder.path("log")).unwrap();
            assert!(begun.elapsed() < PATIENCE, "{what}: {}", log());
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path("log")).unwrap()
    }

    fn metrics(&self) -> String {
        let ports = std::fs::read_to_string(self.folder.path("tidegate-data/ports.json")).unwrap();
        let ports: Value = serde_json::from_str(&ports).unwrap();
        let mut stream = TcpStream::connect(ports["internal"].as_str().unwrap()).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }
}

#[test]
fn an_operator_signs_a_line_off_and_on_again() {
    let gateway = Running::start();
    let off = ["line", "sign-off", "bank/a", "--reason", "the circuit moves"];
    let told = gateway.done(&off);
    assert_eq!(told.as_array().unwrap().len(), 1);
    assert_eq!((&told[0]["line"], &told[0]["signed_off_by_operator"]), (&"a".into(), &true.into()));
    gateway.lines[0].hears("002");
    gateway.lines[0].hears("");
    gateway.until("it is held", || gateway.done(&["line", "status"])[0]["state"] == "held");
    let lines = gateway.done(&["line", "status"]);
    assert_eq!(lines[0]["signed_off_by_operator"], true);
    assert_eq!((&lines[1]["state"], &lines[1]["line"]), (&"serving".into(), &"b".into()));
    assert_eq!(lines[1]["signed_off_by_operator"], false);

    let on = ["line", "sign-on", "bank/a", "--reason", "the circuit moved"];
    assert_eq!(gateway.done(&on)[0]["signed_off_by_operator"], false);
    gateway.lines[0].hears("001");
    gateway.until("it serves", || gateway.done(&["line", "status"])[0]["state"] == "serving");
    let log = gateway.log();
    for word in
        ["an operator signed a line off", "the circuit moves", "an operator signed a line on"]
    {
        assert!(log.contains(word), "{word}: {log}");
    }

    let unknown = ["line", "sign-off", "bank/z", "--reason", "none"];
    gateway.refused(&unknown, "there is no line bank/z: see `tidegate line status`");
    gateway.refused(&["line", "sign-off", "bank/a", "--reason", " "], "a reason is wanted");
    let card = ["line", "sign-off", "bank/a", "--reason", "card 4000000000000002 hangs"];
    gateway.refused(&card, "may be a card number");
}

#[test]
fn what_an_operator_took_out_of_service_stays_out_when_the_gateway_is_killed() {
    let mut gateway = Running::start();
    gateway.done(&["line", "sign-off", "bank/a", "--reason", "the circuit moves"]);
    gateway.lines[0].hears("002");
    gateway.until("it is held", || gateway.done(&["line", "status"])[0]["state"] == "held");
    gateway.done(&["route", "decline", "visa", "--reason", "the issuer migrates"]);
    gateway.restart();
    gateway.lines[1].hears("001");
    gateway.until("the other line serves", || {
        let (exit, out, _) = gateway.ask(&["line", "status", "--json"]);
        exit == 0 && out.matches("\"serving\"").count() == 1
    });
    let lines = gateway.done(&["line", "status"]);
    assert_eq!((&lines[0]["state"], &lines[1]["state"]), (&"held".into(), &"serving".into()));
    assert_eq!(lines[0]["reason"], "the circuit moves");
    assert_eq!(gateway.done(&["status"])["declined_routes"], serde_json::json!(["visa"]));

    // The next that the bank hears on that line is the sign-on that a person asked for.
    gateway.done(&["line", "sign-on", "bank/a", "--reason", "the circuit moved"]);
    gateway.lines[0].hears("001");
    gateway.done(&["route", "resume", "visa", "--reason", "migrated"]);
    gateway.restart();
    gateway.until("both lines serve", || {
        let (exit, out, _) = gateway.ask(&["line", "status", "--json"]);
        exit == 0 && out.matches("\"serving\"").count() == 2
    });
    assert_eq!(gateway.done(&["status"])["declined_routes"], serde_json::json!([]));
}

#[test]
fn an_operator_declines_a_route_and_resumes_it() {
    let gateway = Running::start();
    let names = |value: &Value| {
        let rows = value.as_array().unwrap().iter();
        let declined = rows.filter(|row| row["declined"] == true);
        declined.map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = gateway.done(&["route", "list"]);
    let ways: Vec<_> =
        all.as_array().unwrap().iter().map(|row| (&row["name"], &row["kind"])).collect();
    assert_eq!(ways, [(&"visa".into(), &"route".into()), (&"bank".into(), &"host".into())]);
    assert_eq!(names(&all), [""; 0]);

    let decline = ["route", "decline", "visa", "--reason", "the issuer migrates"];
    let told = gateway.done(&decline);
    assert_eq!(names(&told), ["visa"]);
    assert_eq!(told[0]["reason"], "the issuer migrates");
    assert!(told[0]["by"].is_string() && told[0]["since"].is_string(), "{told}");
    gateway.refused(&decline, "visa is declined already");
    assert_eq!(gateway.done(&["status"])["declined_routes"], serde_json::json!(["visa"]));
    let (_, status, _) = gateway.ask(&["status"]);
    assert!(
        status.lines().any(|line| line.starts_with("declined_routes") && line.ends_with("visa"))
    );
    let page = gateway.metrics();
    assert!(page.contains("tidegate_route_declined{route=\"visa\"} 1\n"), "{page}");
    assert!(page.contains("tidegate_route_declined{route=\"bank\"} 0\n"), "{page}");

    assert_eq!(names(&gateway.done(&["route", "resume", "visa", "--reason", "migrated"])), [""; 0]);
    gateway.refused(&["route", "resume", "visa", "--reason", "migrated"], "visa is not declined");
    assert!(gateway.metrics().contains("tidegate_route_declined{route=\"visa\"} 0\n"));
    gateway.refused(
        &["route", "decline", "nowhere", "--reason", "x"],
        "there is no route and no host",
    );

    // A reload brings another route, which can be declined at once; what is declined stays so.
    gateway.done(&["route", "decline", "visa", "--reason", "again"]);
    let config = gateway.folder.path("tidegate.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let debit = "[[route]]\nname = \"debit\"\nhost = \"bank\"\nbins = [\"5\"]\n";
    std::fs::write(config, format!("{text}\n{debit}")).unwrap();
    assert_eq!(gateway.done(&["reload"])["changed"], serde_json::json!(["routes"]));
    gateway.done(&["route", "decline", "debit", "--reason", "with it"]);
    assert_eq!(names(&gateway.done(&["route", "list"])), ["visa", "debit"]);

    let log = gateway.log();
    assert!(log.contains("an operator declined a route") && log.contains("the issuer migrates"));
}
