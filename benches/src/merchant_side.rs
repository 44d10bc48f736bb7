//! The steps on the merchant's side: authenticate, decode, respond. Each is the function that the
//! channel itself calls.

use crate::measure::{Plan, cpu_of, cpu_of_each, process_cpu};
use crate::merchant::{World, now_s};
use crate::primitives;
use crate::table::{Counts, Ratio, Row};
use anyhow::Context as _;
use tidegate::channel::digest::content_digest;
use tidegate::channel::jwe;
use tidegate::channel::rest::{self, Asked, Authenticated, Endpoint};
use tidegate::edge::seam::{Answer, Received};
use tidegate::keys::KeyStore;
use tidegate::keys::algorithm::Algorithm;
use tidegate::lane::Lane;
use tidegate_payment::card::Pan;
use tidegate_payment::effect::Reply;
use tidegate_payment::request::Request;

/// A payment as it arrived, and what the channel made of it.
pub struct Arrived {
    /// The message.
    pub received: Received,
    /// Its sender.
    pub sender: Authenticated,
    /// The request in it.
    pub request: Request,
}

/// Takes a payment in, as the channel does.
pub fn arrive(world: &World) -> anyhow::Result<Arrived> {
    let jwe = world.card_by_ecdh()?;
    let received = world.payment(&jwe);
    let sender = authenticated(&received, world)?;
    let decoded = rest::decode(&received, &Endpoint::Pay, &sender, &world.parts);
    let decoded = decoded.map_err(|problem| anyhow::anyhow!("not decoded: {}", problem.detail))?;
    let Asked::New(request) = decoded.asked else { anyhow::bail!("a payment is new") };
    Ok(Arrived { received, sender, request })
}

fn authenticated(received: &Received, world: &World) -> anyhow::Result<Authenticated> {
    let (sender, admitted) = rest::authenticate(received, &Endpoint::Pay, &world.parts, now_s())?;
    admitted?;
    Ok(sender)
}

/// The signed answer to a payment.
pub fn answered(arrived: &Arrived, reply: &Reply, world: &World) -> Answer {
    let answer = rest::answer(reply, true, None, 5);
    rest::sign(answer, &arrived.sender.binding, &world.parts, now_s())
}

/// Measures what comes before the engine.
pub fn measure_in(plan: &Plan, world: &World, arrived: &Arrived) -> anyhow::Result<Vec<Row>> {
    let (ecdh, rsa) = (world.card_by_ecdh()?, world.card_by_rsa()?);
    let mut rows = Vec::new();
    let mut row = |name, what, counts, took| rows.push(Row { name, what, counts, took });

    let mut fault = Ok(());
    let took = plan.time_each(
        || world.payment(&ecdh),
        |received| match rest::authenticate(&received, &Endpoint::Pay, &world.parts, now_s()) {
            Ok((sender, Ok(()))) => Some(sender),
            Ok((_, Err(error))) => {
                fault = Err(anyhow::anyhow!(error));
                None
            }
            Err(error) => {
                fault = Err(anyhow::anyhow!(error));
                None
            }
        },
    );
    fault?;
    let what = "authenticate: signature, digest, freshness, nonce";
    row("authenticate", what, Counts::Sum, took);

    let Arrived { received, sender, request } = arrived;
    let parts = &world.parts;
    let took = plan.time(|| rest::decode(received, &Endpoint::Pay, sender, parts).is_ok());
    let what = "decode: JSON, card opened (ECDH-ES) and sealed again";
    row("decode", what, Counts::Sum, took);
    jwe::open(&ecdh, world.keys.as_ref())?;
    let took = plan.time(|| jwe::open(&ecdh, world.keys.as_ref()).is_ok());
    row("jwe_ecdh", "JWE opened, ECDH-ES P-256 + A256GCM", Counts::Part, took);
    jwe::open(&rsa, world.keys.as_ref())?;
    let took = plan.time(|| jwe::open(&rsa, world.keys.as_ref()).is_ok());
    let what = "instead of it: JWE opened, RSA-OAEP-256 + A256GCM";
    row("jwe_rsa", what, Counts::Part, took);
    let pan = Pan::parse("4000000000000002")?;
    let took = plan.time(|| world.keys.seal(&pan).is_ok());
    row("seal", "card sealed (AES-256-GCM) and hashed (HMAC)", Counts::Part, took);
    let (operation, amount) = (request.operation, Some(request.amount));
    rest::screen(operation, amount, &sender.merchant)?;
    let took = plan.time(|| rest::screen(operation, amount, &sender.merchant).is_ok());
    row("screen", "screen: operation, currency, amount", Counts::Sum, took);
    Ok(rows)
}

/// Jobs handed over in one window.
const HOPS: u64 = 2_000;

/// Measures what comes after it.
pub fn measure_out(
    plan: &Plan,
    world: &World,
    arrived: &Arrived,
    reply: &Reply,
) -> anyhow::Result<Vec<Row>> {
    let binding = &arrived.sender.binding;
    let answer = rest::answer(reply, true, None, 5);
    let respond = plan.time(|| rest::answer(reply, true, None, 5));
    let sign = plan
        .time_each(|| answer.clone(), |answer| rest::sign(answer, binding, &world.parts, now_s()));
    let keys = &world.keys;
    let key = keys.response_key(Algorithm::Ed25519).context("no key signs answers")?;
    let digest = content_digest(&answer.body);
    let make_base = || binding.answer_base(answer.status, &digest, now_s(), key);
    let (_, base) = make_base()?;
    let made = plan.time(make_base);
    keys.sign_response(key, base.as_bytes())?;
    let signed = plan.time(|| keys.sign_response(key, base.as_bytes()).is_ok());
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let pool = &world.parts.pool;
    let hop = plan.time_wall(|| runtime.block_on(pool.try_run(Lane::Ordinary, || ())).is_ok());
    let what = "worker pool: an empty job handed over and back";
    let mut lost = 0_u64;
    let hop_cpu = plan.windows(HOPS, || {
        let before = process_cpu();
        for _ in 0..HOPS {
            lost += u64::from(runtime.block_on(pool.try_run(Lane::Ordinary, || ())).is_err());
        }
        process_cpu().saturating_sub(before)
    });
    anyhow::ensure!(lost == 0, "the pool lost {lost} jobs");
    let cpu = "- the same in processor time of both threads";
    Ok(vec![
        Row { name: "respond", what: "respond: JSON", counts: Counts::Sum, took: respond },
        Row { name: "sign", what: "respond: digest, signature", counts: Counts::Sum, took: sign },
        Row { name: "base", what: "signature base", counts: Counts::Part, took: made },
        Row { name: "signed", what: "ed25519 over it", counts: Counts::Part, took: signed },
        Row { name: "hop", what, counts: Counts::Beside, took: hop },
        Row { name: "hop_cpu", what: cpu, counts: Counts::Beside, took: hop_cpu },
    ])
}

/// Compares the steps that are mostly cryptography with the cryptography in them.
pub fn ratios(
    plan: &Plan,
    world: &World,
    arrived: &Arrived,
    reply: &Reply,
) -> anyhow::Result<Vec<Ratio>> {
    let (ecdh, rsa) = (world.card_by_ecdh()?, world.card_by_rsa()?);
    let keys = world.keys.as_ref();
    let binding = &arrived.sender.binding;
    let answer = rest::answer(reply, true, None, 5);
    let (mut verify, mut sign) = (primitives::verify()?, primitives::sign()?);
    let (mut agree, mut unwrap) = (primitives::agree()?, primitives::unwrap()?);

    let authenticate = plan.ratio(
        |times| {
            let mut work = |received: Received| authenticated(&received, world).is_ok();
            cpu_of_each(times, &mut || world.payment(&ecdh), &mut work)
        },
        |times| cpu_of(times, &mut verify),
    );
    let respond = plan.ratio(
        |times| {
            let mut work = |answer| rest::sign(answer, binding, &world.parts, now_s());
            cpu_of_each(times, &mut || answer.clone(), &mut work)
        },
        |times| cpu_of(times, &mut sign),
    );
    let by_ecdh = plan.ratio(
        |times| cpu_of(times, &mut || jwe::open(&ecdh, keys).is_ok()),
        |times| cpu_of(times, &mut agree),
    );
    let by_rsa = plan.ratio(
        |times| cpu_of(times, &mut || jwe::open(&rsa, keys).is_ok()),
        |times| cpu_of(times, &mut unwrap),
    );
    let ratio =
        |of, to, hundredths, limit_hundredths| Ratio { of, to, hundredths, limit_hundredths };
    Ok(vec![
        ratio("authenticate", "ed25519_verify", authenticate, 160),
        ratio("sign", "ed25519_sign", respond, 250),
        ratio("jwe_ecdh", "ecdh_p256", by_ecdh, 150),
        ratio("jwe_rsa", "rsa_unwrap", by_rsa, 130),
    ])
}
