//! The [`Wording`] of a host whose messages are defined by files: binds [`tidegate_protocol`].

use super::wording::{Judged, Wording, WordingError};
use std::error::Error;
use tidegate_line::event::{Ask, HostRequest, Read};
use tidegate_line::name::MatchKey;
use tidegate_payment::card::{Pan, Secrets};
use tidegate_payment::effect::Outgoing;
use tidegate_payment::id::{LineId, Stan};
use tidegate_payment::input::{Attempt, HostSaid};
use tidegate_payment::time::Timestamp;
use tidegate_protocol::definition::Definition;
use tidegate_protocol::encode::EncodeError;
use tidegate_protocol::judge;
use tidegate_protocol::network::NetworkKind;
use tidegate_protocol::read::{Kind, Odd};

/// Agreed. ISO 8583:1987, DE 39.
const AGREED: &str = "00";
/// Requested function not supported. ISO 8583:1987, DE 39.
const NOT_SUPPORTED: &str = "40";

impl Wording for Definition {
    fn encode(
        &self,
        out: &Outgoing,
        card: &Pan,
        secrets: &Secrets,
        body: &mut Vec<u8>,
    ) -> Result<MatchKey, WordingError> {
        let keys = Definition::encode(self, out, card, secrets, body)?;
        Ok(MatchKey(keys.match_key))
    }

    fn key(&self, out: &Outgoing) -> Result<MatchKey, WordingError> {
        let keys = self.recovered_keys(out.request.operation, &out.fields)?;
        let operation = out.request.operation;
        Ok(MatchKey(match out.attempt {
            Attempt::Original | Attempt::Repeat(_) => keys.original,
            Attempt::Reversal(_) => keys.reversal.ok_or(EncodeError::NoReversal(operation))?,
        }))
    }

    fn read(&self, body: &[u8]) -> Read {
        let message = match Definition::read(self, body) {
            Ok(message) => message,
            Err(error) => {
                // The error names field, offset and rule, never a value.
                tracing::warn!(%error, "a frame cannot be read");
                return Read::Unparsable;
            }
        };
        match message.kind() {
            Kind::FinancialReply { key } | Kind::ReversalReply { key } => {
                Read::Reply(MatchKey(key.clone()))
            }
            Kind::NetworkReply { key, ok } => {
                Read::NetworkReply { key: MatchKey(key.clone()), accepted: *ok }
            }
            Kind::NetworkRequest { kind } => Read::Request(said(*kind)),
            Kind::Other(Odd::Type(_)) => Read::Request(HostRequest::Other),
            Kind::Other(odd @ Odd::KeyMissing { .. }) => {
                tracing::warn!(%odd, "a reply finds no request");
                // The empty key is nobody's.
                Read::Reply(MatchKey(Vec::new()))
            }
        }
    }

    fn judge(
        &self,
        body: &[u8],
        out: &Outgoing,
        line: &LineId,
        is_card: &dyn Fn(&str) -> bool,
    ) -> Judged {
        let reply = match Definition::read(self, body) {
            Ok(reply) => reply,
            Err(error) => return Judged::Disagrees(error.to_string()),
        };
        match Definition::judge(self, &reply, out, is_card) {
            Ok(judge::Judged::Answer(answer)) => {
                if let Some(fault) = answer.balances_fault {
                    tracing::error!(
                        payment = %out.id, %line, %fault, alarm = true,
                        "the balances of an answer are malformed and dropped"
                    );
                }
                Judged::Answer(answer.on(line.clone()))
            }
            Ok(judge::Judged::Reversal(said)) => Judged::Reversal(said.on(line.clone())),
            Ok(judge::Judged::Deferred(response_code)) => {
                Judged::Deferred(HostSaid { response_code, line: line.clone() })
            }
            Ok(judge::Judged::Refused(response_code)) => {
                Judged::AdviceRefused(HostSaid { response_code, line: line.clone() })
            }
            Ok(judge::Judged::UnknownCode(code)) => Judged::UnlistedCode(code),
            Err(disagreement) => Judged::Disagrees(disagreement.to_string()),
        }
    }

    fn ask(
        &self,
        ask: Ask,
        stan: Stan,
        transmitted: Timestamp,
        body: &mut Vec<u8>,
    ) -> Result<MatchKey, WordingError> {
        let kind = match ask {
            Ask::SignOn => NetworkKind::SignOn,
            Ask::Echo => NetworkKind::Echo,
            Ask::SignOff => NetworkKind::SignOff,
        };
        let keys = self.network_request(kind, stan, transmitted, body)?;
        Ok(MatchKey(keys.match_key))
    }

    fn answer(&self, request: &[u8], accept: bool, body: &mut Vec<u8>) -> Result<(), WordingError> {
        let request = Definition::read(self, request).map_err(|e| WordingError(e.to_string()))?;
        let code = if accept { AGREED } else { NOT_SUPPORTED };
        Ok(self.network_answer(&request, code, body)?)
    }

    fn cut_over_date(&self, request: &[u8]) -> Result<Option<(u8, u8)>, WordingError> {
        let request = Definition::read(self, request).map_err(|e| WordingError(e.to_string()))?;
        Definition::cut_over_date(self, &request).map_err(|e| WordingError(e.to_string()))
    }
}

fn said(kind: NetworkKind) -> HostRequest {
    match kind {
        NetworkKind::SignOn => HostRequest::SignOn,
        NetworkKind::SignOff => HostRequest::SignOff,
        NetworkKind::Echo => HostRequest::Echo,
        NetworkKind::CutOver => HostRequest::CutOver,
        NetworkKind::KeyExchange => HostRequest::KeyExchange,
        NetworkKind::Unknown => HostRequest::Other,
    }
}

impl From<EncodeError> for WordingError {
    fn from(error: EncodeError) -> Self {
        // A value that does not fit is told by its element and length, not by itself.
        match error.source() {
            Some(cause) => Self(format!("{error}: {cause}")),
            None => Self(error.to_string()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
mod tests {
    use super::super::bank_tests::{PAN, outgoing};
    use super::*;
    use tidegate_iso8583::mti::Mti;
    use tidegate_iso8583::pack::Builder;
    use tidegate_payment::time::Mono;
    use tidegate_protocol::source::Source;

    fn bank() -> Definition {
        let dialect = include_str!("../../protocols/dialects/iso87-ascii/dialect.toml");
        let mapping = include_str!("../../protocols/mappings/iso87-ascii.toml");
        let dialect = Source { name: "dialect.toml", text: dialect };
        let mapping = Source { name: "mapping.toml", text: mapping };
        Definition::build(dialect, mapping).unwrap()
    }

    /// What the bank would answer: the elements of `request` under another type, with a code.
    fn reply(bank: &Definition, request: &[u8], mti: &str, code: &str, amount: &str) -> Vec<u8> {
        let request = bank.wire().parse(request).unwrap();
        let mut reply = Builder::new(bank.wire(), Mti::parse(mti).unwrap());
        for number in [3, 7, 11, 37, 41, 42, 49, 70] {
            if let Some(value) = request.get(number) {
                reply.set(number, &value).unwrap();
            }
        }
        if !amount.is_empty() {
            reply.set(4, amount).unwrap();
        }
        reply.set(39, code).unwrap();
        let mut body = Vec::new();
        reply.pack(&mut body).unwrap();
        body
    }

    #[test]
    fn a_purchase_and_its_reversal_find_their_replies() {
        let bank = bank();
        let (line, card) = (LineId::parse("a").unwrap(), Pan::parse(PAN).unwrap());
        for (attempt, mti) in [(Attempt::Original, "0210"), (Attempt::Reversal(2), "0430")] {
            let repeat = attempt != Attempt::Original;
            let out = outgoing(7, attempt, repeat, Mono(std::time::Duration::ZERO));
            let (mut body, none) = (Vec::new(), Secrets::default());
            let key = Wording::encode(&bank, out.get(), &card, &none, &mut body).unwrap();
            assert_eq!(Wording::key(&bank, out.get()).unwrap(), key);
            let answer = reply(&bank, &body, mti, "00", "000000001234");
            assert_eq!(Wording::read(&bank, &answer), Read::Reply(key));
            let judged = Wording::judge(&bank, &answer, out.get(), &line, &|_| true);
            let right = match attempt {
                Attempt::Original | Attempt::Repeat(_) => matches!(judged, Judged::Answer(_)),
                Attempt::Reversal(_) => matches!(judged, Judged::Reversal(_)),
            };
            assert!(right, "{judged:?}");
            let lie = reply(&bank, &body, mti, "00", "000000009999");
            let judged = Wording::judge(&bank, &lie, out.get(), &line, &|_| true);
            assert!(matches!(judged, Judged::Disagrees(_)), "{judged:?}");
        }
    }

    #[test]
    fn network_messages_go_both_ways() {
        let bank = bank();
        let stan = Stan::new(9).unwrap();
        for ask in [Ask::SignOn, Ask::Echo, Ask::SignOff] {
            let (mut body, mut answer) = (Vec::new(), Vec::new());
            let key = Wording::ask(&bank, ask, stan, Timestamp(0), &mut body).unwrap();
            let said = Wording::read(&bank, &body);
            assert!(matches!(said, Read::Request(_)), "{said:?}");
            for (accepted, code) in [(true, AGREED), (false, NOT_SUPPORTED)] {
                answer.clear();
                Wording::answer(&bank, &body, accepted, &mut answer).unwrap();
                let key = key.clone();
                assert_eq!(Wording::read(&bank, &answer), Read::NetworkReply { key, accepted });
                assert_eq!(bank.wire().parse(&answer).unwrap().get(39).unwrap(), code);
            }
        }
    }

    #[test]
    fn what_cannot_be_read_or_paired_is_said_so() {
        let bank = bank();
        assert_eq!(Wording::read(&bank, b"gibberish"), Read::Unparsable);
        let mut keyless = Builder::new(bank.wire(), Mti::parse("0210").unwrap());
        keyless.set(39, "00").unwrap();
        let mut body = Vec::new();
        keyless.pack(&mut body).unwrap();
        assert_eq!(Wording::read(&bank, &body), Read::Reply(MatchKey(Vec::new())));
    }
}
