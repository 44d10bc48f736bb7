//! `--serve`: a world that stays up for the visitor's own payments, and `sandbox pay`, which makes one.

use crate::bank::capture::WireEvent;
use crate::dice::Dice;
use crate::gateway::{PUBLIC_NAME, public_address};
use crate::history::{Act, History};
use crate::merchant::connection::Connections;
use crate::merchant::envelope::Recipe;
use crate::merchant::key::SigningKey;
use crate::merchant::{Merchant, Order, Profile, Surroundings};
use crate::operation::Operation;
use crate::screen::Screen;
use crate::world::{Options, World, published_keys};
use crate::{cards, clock::Clock, token::Tokens};
use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What `sandbox pay` needs to know of a world that stays up; the file `world.json` in its folder.
#[derive(Debug, Serialize, Deserialize)]
struct Card {
    address: SocketAddr,
    public_address: String,
    merchant: Profile,
}

/// Keeps a world up until it is told to stop, and shows what passes on the bank's lines.
/// # Errors
/// If the world could not be made.
pub async fn serve(options: Options, screen: Screen) -> anyhow::Result<()> {
    let public_address = public_address(options.port);
    let world = World::open(options).await?;
    let gateway = world.gateway.lock().await;
    let address = gateway.rest_address().context("the gateway listens nowhere")?;
    let internal = gateway.ports().context("the gateway listens nowhere")?.internal;
    drop(gateway);
    let merchant = world.merchants.first().context("a world without merchants")?;
    let card = Card { address, public_address, merchant: merchant.profile.clone() };
    let folder = world.path().to_owned();
    fs::write(folder.join("world.json"), serde_json::to_vec_pretty(&card)?)?;
    explain(screen, &folder, &card, internal)?;
    let mut shown = world.capture.events()?.len();
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = interrupted.recv() => break,
            _ = terminated.recv() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let events = world.capture.events()?;
        for event in events.iter().skip(shown).filter(|event| !is_network(event)) {
            screen.message(event, true);
        }
        shown = events.len();
        if !world.gateway.lock().await.is_running() {
            anyhow::bail!("the gateway ended; its log is {}", folder.join("gateway.log").display());
        }
    }
    world.stop_gateway().await
}

fn is_network(event: &WireEvent) -> bool {
    use crate::bank::capture::Seen;
    !matches!(&event.seen, Seen::Message(_, message) if !message.mti.starts_with("08"))
}

fn explain(screen: Screen, folder: &Path, card: &Card, internal: SocketAddr) -> anyhow::Result<()> {
    let sandbox = std::env::current_exe()?.display().to_string();
    let dir = folder.display();
    screen.heading("A bank, a gateway and a merchant stay up until Ctrl-C. In another terminal:");
    screen.line(&format!("  {sandbox} pay --dir {dir} --amount 1234 --card 4000000000000002"));
    screen.line(&format!("  {sandbox} pay --dir {dir} --amount 1234 --card 4000000000000044"));
    let Card { public_address, merchant, .. } = card;
    screen.line(&format!("  curl --cacert {dir}/tls.pem {public_address}/v1/keys"));
    screen.line(&format!("  curl http://{internal}/metrics"));
    screen.line(&format!("  {sandbox} gateway line status -c {dir}/tidegate.toml"));
    screen.line("");
    screen.line("For a client of your own (the merchant's guide has one in Python):");
    screen.line(&format!("  public address  {public_address}"));
    screen.line(&format!("  key id          {}", merchant.key_id));
    let algorithm = merchant.algorithm.name();
    screen.line(&format!("  {algorithm} key     {dir}/{}.key", merchant.id));
    screen.line(&format!("  certificate     {dir}/tls.pem"));
    screen.line(&format!("  expiry of every test card: {}", cards::EXPIRY));
    for card in cards::SPECIAL {
        let code = cards::security_code(card.number);
        screen.line(&format!("  card {}  code {code}  {}", card.number, card.story));
    }
    screen.line(
        "  any other 400000.......... or 622202.......... with a valid check digit is an ordinary account",
    );
    Ok(())
}

/// What to pay.
pub struct Payment {
    /// The folder of the world that stays up.
    pub folder: PathBuf,
    /// Minor units.
    pub minor: i64,
    /// A test card's number.
    pub number: String,
    /// The idempotency key; a fresh one if not given.
    pub key: Option<String>,
    /// The order; derived from the key if not given.
    pub order_id: Option<String>,
}

/// Signs and encrypts one payment as the world's merchant, sends it, and shows the answer. Returns
/// whether the gateway said what became of it.
/// # Errors
/// If there is no such world.
pub async fn pay(payment: Payment, screen: Screen) -> anyhow::Result<bool> {
    let read = |name: &str| {
        fs::read_to_string(payment.folder.join(name))
            .with_context(|| format!("reading {name}; is {} served?", payment.folder.display()))
    };
    let card: Card = serde_json::from_str(&read("world.json")?)?;
    let pem = read("tls.pem")?;
    let key_file = payment.folder.join(format!("{}.key", card.merchant.id));
    let signing_key = SigningKey::read(&key_file, card.merchant.algorithm)
        .with_context(|| format!("reading {}", key_file.display()))?;
    let connections = Connections::new(&pem, PUBLIC_NAME, card.address, PATIENCE);
    let connections = Arc::new(connections.map_err(|why| anyhow!(why))?);
    let keys = published_keys(&connections).await?;
    let surroundings = Surroundings {
        public_address: card.public_address,
        connections,
        keys,
        tokens: Tokens::fresh().map_err(|_| anyhow!("the machine has no randomness"))?,
        history: History::new(Clock::start(), None)?,
    };
    let merchant = Merchant::new(card.merchant, signing_key, &surroundings);
    let now = jiff::Timestamp::now().as_microsecond().unsigned_abs();
    let key = payment.key.unwrap_or_else(|| format!("pay-{}", Dice::new(now).letters(10)));
    let order = Order {
        op: 1,
        order_id: payment.order_id.unwrap_or_else(|| format!("A-{key}")),
        key,
        minor: payment.minor,
        currency: "EUR".to_owned(),
        number: payment.number,
        with_code: true,
        recipe: Recipe::EcdhEs,
        operation: Operation::Purchase,
        original: None,
        with_amount: true,
    };
    let request = merchant.prepare(&order)?;
    screen.line(&format!("POST {}", request.target_uri));
    for (name, value) in &request.headers {
        screen.line(&format!("{name}: {value}"));
    }
    screen.line("");
    screen.line(&String::from_utf8_lossy(&request.body));
    let exchange = merchant.send(&order, Act::Pay, &request).await;
    screen.line("");
    let Some(answer) = exchange.answer else {
        anyhow::bail!("no answer from {}", card.address);
    };
    screen.line(&format!("{}", answer.status));
    for (name, value) in &answer.headers {
        screen.line(&format!("{name}: {value}"));
    }
    screen.line("");
    screen.line(&String::from_utf8_lossy(&answer.body));
    Ok(matches!(exchange.outcome, crate::merchant::Outcome::Told(_)))
}
