//! A whole exchange through the running host side: its queues, threads and sockets, with a small bank
//! on the same machine.

use crate::bank_side::{FRAME_BYTES_MAX, SealedCards, bank_answer};
use crate::measure::{Plan, Took};
use crate::table::{Counts, Row};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate::engine_task::Clock;
use tidegate::host::slot::Slots;
use tidegate::host::{
    Clock as _, HostHandle, HostParts, HostSettings, LineSettings, start as start_host,
};
use tidegate_iso8583::frame::FrameFormat;
use tidegate_line::limits::Limits;
use tidegate_payment::durable::Durable;
use tidegate_payment::effect::Outgoing;
use tidegate_payment::id::{HostId, LineId, PaymentId, Rrn, Stan};
use tidegate_payment::input::Input;
use tidegate_protocol::definition::Definition;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Exchanges of a window, one at a time and many at a time.
const ALONE: u32 = 200;
const TOGETHER: u32 = 3_000;
const IN_FLIGHT: u32 = 64;

/// Measures both.
pub fn measure(
    plan: &Plan,
    definition: Arc<Definition>,
    cards: Arc<SealedCards>,
    message: &Durable<Outgoing>,
) -> anyhow::Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut world = runtime.block_on(World::start(definition, cards))?;
    let (one, all) = ((ALONE, 1), (TOGETHER, IN_FLIGHT));
    let alone = exchanges(plan, &runtime, &mut world, message, one)?;
    let together = exchanges(plan, &runtime, &mut world, message, all)?;
    runtime.block_on(world.host.stop());
    let what = "host side, whole: one exchange after the other, with a small bank beside it";
    let many = "host side, whole: per exchange, 64 in flight, the small bank included";
    let counts = Counts::Beside;
    Ok(vec![
        Row { name: "exchange_alone", what, counts, took: alone },
        Row { name: "exchange_64", what: many, counts, took: together },
    ])
}

struct World {
    host: HostHandle,
    inputs: mpsc::Receiver<Input>,
    clock: Clock,
    last: u32,
}

impl World {
    async fn start(definition: Arc<Definition>, cards: Arc<SealedCards>) -> anyhow::Result<Self> {
        let door = TcpListener::bind("127.0.0.1:0").await?;
        let address = door.local_addr()?.to_string();
        let bank = Arc::clone(&definition);
        tokio::spawn(async move {
            while let Ok((socket, _)) = door.accept().await {
                let bank = Arc::clone(&bank);
                tokio::spawn(async move {
                    if let Err(error) = small_bank(socket, &bank).await {
                        eprintln!("the small bank: {error:#}");
                    }
                });
            }
        });
        let (sender, mut inputs) = mpsc::channel(10_000);
        let clock = Clock::start();
        let host = start_host(HostParts {
            settings: HostSettings {
                id: HostId::parse("bank")?,
                lines: vec![LineSettings {
                    id: LineId::parse("a")?,
                    address,
                    signed_off: false,
                }],
                limits: Limits::default(),
                frame: FrameFormat::LENGTH_BE2,
                frame_bytes_max: FRAME_BYTES_MAX,
                connect_timeout: Duration::from_secs(5),
                carried: false,
                queue_max: NonZeroUsize::new(512).unwrap_or(NonZeroUsize::MIN),
                encoders: std::thread::available_parallelism()?,
            },
            wording: definition,
            cards,
            codes: Arc::new(Slots::new(64)),
            inputs: sender,
            clock: Arc::new(clock),
            dice: Box::new(|| 0),
            expected: Vec::new(),
            cut_overs: None,
        })?;
        while !matches!(inputs.recv().await, None | Some(Input::HostUp(_, true))) {}
        Ok(Self { host, inputs, clock, last: 0 })
    }

    /// Sends a message like this one, with numbers of its own.
    fn send(&mut self, like: &Durable<Outgoing>) -> anyhow::Result<()> {
        self.last += 1;
        let number = self.last;
        let deadline = self.clock.now().mono.after(Duration::from_secs(60));
        let (stan, rrn) =
            (Stan::new(number % 999_999 + 1)?, Rrn::parse(&format!("6326{number:08}"))?);
        let message = like.clone().map(|mut out| {
            out.id = PaymentId(u128::from(number));
            out.deadline = deadline;
            out.fields.stan = stan;
            out.fields.rrn = rrn;
            out
        });
        let sent = self.host.send(Box::new(message));
        sent.map_err(|input| anyhow::anyhow!("not sent: {input:?}"))
    }

    async fn exchange(
        &mut self,
        like: &Durable<Outgoing>,
        (count, in_flight): (u32, u32),
    ) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        for _ in 0..in_flight {
            self.send(like)?;
        }
        let mut answered = 0;
        while answered < count {
            match self.inputs.recv().await {
                Some(Input::HostAnswered(..)) => {
                    answered += 1;
                    if answered + in_flight <= count {
                        self.send(like)?;
                    }
                }
                Some(Input::Written(..)) => {}
                other => anyhow::bail!("an answer was expected, {other:?} came"),
            }
        }
        Ok(begun.elapsed())
    }
}

fn exchanges(
    plan: &Plan,
    runtime: &tokio::runtime::Runtime,
    world: &mut World,
    message: &Durable<Outgoing>,
    (count, in_flight): (u32, u32),
) -> anyhow::Result<Took> {
    let mut fault = Ok(());
    let took = plan.windows(u64::from(count), || {
        let window = runtime.block_on(world.exchange(message, (count, in_flight)));
        window.unwrap_or_else(|error| {
            fault = Err(error);
            Duration::ZERO
        })
    });
    fault?;
    Ok(took)
}

/// Answers whatever it is asked: "00".
async fn small_bank(mut socket: TcpStream, definition: &Definition) -> anyhow::Result<()> {
    socket.set_nodelay(true)?;
    let (mut held, mut wire) = (Vec::with_capacity(65_536), Vec::new());
    while socket.read_buf(&mut held).await? > 0 {
        wire.clear();
        let mut taken = 0;
        while let Some(rest) = held.get(taken..)
            && let Some(span) = FrameFormat::LENGTH_BE2.split(rest, FRAME_BYTES_MAX)?
        {
            let answer = bank_answer(definition, rest.get(span.body).unwrap_or_default())?;
            FrameFormat::LENGTH_BE2.wrap(&answer, &mut wire)?;
            taken += span.total;
        }
        held.drain(..taken);
        socket.write_all(&wire).await?;
    }
    Ok(())
}
