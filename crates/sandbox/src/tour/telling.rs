//! How the tour shows a request, its answer and what crossed the lines.

use super::*;

impl Tour {
    pub(super) fn tell_request(&self, order: &Order, request: &Signed, whole: bool) {
        let screen = self.screen;
        let paid = amount(order.minor, &order.currency);
        let path = merchant::body::target(order);
        let what = format!("POST {path}, order {}, {paid}", order.order_id);
        screen.step("merchant", "gateway", &what);
        if order.original.is_some() {
            return;
        }
        let recipe = match order.recipe {
            Recipe::EcdhEs => "ECDH-ES on P-256",
            Recipe::RsaOaep256 => "RSA-OAEP-256",
        };
        let card = iso::mask_card(&order.number);
        screen.detail(&format!("sealed by {recipe} + A256GCM: card {card}, security code ***"));
        if !whole {
            return;
        }
        for (name, value) in &request.headers {
            screen.detail(&format!("{name}: {}", cut(value, 100)));
        }
        let mut body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if let Some(jwe) = body.pointer_mut("/card/jwe") {
            let text = jwe.as_str().unwrap_or("").to_owned();
            *jwe = format!("{} ({} characters)", cut(&text, 24), text.len()).into();
        }
        screen.detail(&body.to_string());
    }

    pub(super) fn tell_answer(&self, exchange: &Exchange, whole: bool) {
        let screen = self.screen;
        let Some(answer) = &exchange.answer else {
            screen.detail("no answer");
            return;
        };
        let took = exchange.told_us.saturating_sub(exchange.sent_us);
        let (said, believed) = match &exchange.outcome {
            Outcome::Told(told) => {
                let why = told.reason.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
                (format!("{}{why}", told.result), ", its signature is genuine")
            }
            Outcome::Refused(code) => (code.clone(), ""),
            Outcome::Busy => ("busy".to_owned(), ""),
            Outcome::Unknown => ("not to be believed".to_owned(), ""),
        };
        let replayed =
            if answer.header("idempotency-replayed").is_some() { ", replayed" } else { "" };
        let what = format!("{} {said}{replayed}, after {took} us{believed}", answer.status);
        screen.step("gateway", "merchant", &what);
        if whole {
            for name in ["content-digest", "signature-input", "signature"] {
                let value = answer.header(name).unwrap_or_default();
                screen.detail(&format!("{name}: {}", cut(&value, 100)));
            }
            screen.detail(&String::from_utf8_lossy(&answer.body));
        } else if let Outcome::Told(told) = &exchange.outcome {
            let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            screen.detail(&format!(
                "payment {}, response code {}, approval code {}, reference {}",
                told.id,
                word(&told.response_code),
                word(&told.approval_code),
                word(&told.rrn)
            ));
        } else {
            screen.detail(&cut(&String::from_utf8_lossy(&answer.body), 200));
        }
    }

    /// Waits until a payment in doubt is final, and tells how it came to be.
    pub(super) async fn tell_end(&self, order: &Order, told: &Told) -> anyhow::Result<()> {
        let seen = self.messages_of(order).len();
        let began = Instant::now();
        let end = loop {
            let exchange = self.merchant.query(order.op, Act::Query, &told.id).await?;
            match &exchange.outcome {
                Outcome::Told(told) if told.is_final() => break exchange,
                _ if began.elapsed() > PATIENCE => {
                    anyhow::bail!("payment {} is not final after {PATIENCE:?}", told.id);
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        // A late approval still has to come, and to be answered.
        tokio::time::sleep(LATE).await;
        for event in self.messages_of(order).iter().skip(seen) {
            self.screen.message(event, false);
        }
        self.screen.detail(&format!("GET /v1/payments/{}", told.id));
        self.tell_answer(&end, false);
        expect(&end, "reversed").map(|_| ())
    }

    /// What passed between gateway and bank about an order.
    pub(super) fn messages_of(&self, order: &Order) -> Vec<WireEvent> {
        let amount = format!("{:012}", order.minor);
        self.world.capture.with_field(4, &amount)
    }
}

fn cut(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}
