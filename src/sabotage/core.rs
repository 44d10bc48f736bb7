//! A core that asks the engine for something else than was asked, or tells another answer.

use super::Sabotage;
use crate::admission::{Crowded, Entering};
use crate::channel::rest::{Asked, Core, DecodedRequest};
use futures_util::future::BoxFuture;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidegate_payment::durable::Durable;
use tidegate_payment::effect::{Refusal, Reply};
use tidegate_payment::id::{IdempotencyKey, MerchantId, OrderId};
use tidegate_payment::input::QueryBy;
use tidegate_payment::payment::{PendingReason, Verdict, View};
use tidegate_payment::request::Operation;
use tokio::sync::oneshot;

/// How long a reply waits for another to be swapped with.
const SWAP_WAIT: Duration = Duration::from_millis(200);

/// A core with a planted bug.
pub struct SabotagedCore<C> {
    inner: C,
    chosen: Option<Sabotage>,
    waiting: Mutex<Option<(Reply, oneshot::Sender<Reply>)>>,
    /// Keys seen.
    keys: Mutex<BTreeSet<(MerchantId, IdempotencyKey)>>,
    /// Merchants seen.
    merchants: Mutex<BTreeSet<MerchantId>>,
    count: AtomicU64,
}

impl<C: Core> SabotagedCore<C> {
    /// A core over `inner`.
    pub fn new(inner: C) -> Self {
        Self {
            inner,
            chosen: Sabotage::chosen(),
            waiting: Mutex::default(),
            keys: Mutex::default(),
            merchants: Mutex::default(),
            count: AtomicU64::new(0),
        }
    }

    async fn swap(&self, reply: Reply) -> Reply {
        let receiver = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            match waiting.take() {
                Some((other, sender)) => {
                    return match sender.send(reply) {
                        Ok(()) => other,
                        Err(reply) => reply,
                    };
                }
                None => {
                    let (sender, receiver) = oneshot::channel();
                    *waiting = Some((reply.clone(), sender));
                    receiver
                }
            }
        };
        match tokio::time::timeout(SWAP_WAIT, receiver).await {
            Ok(Ok(other)) => other,
            _ => reply,
        }
    }

    async fn submit_falsely(
        &self,
        mut request: DecodedRequest,
        came: Instant,
        bug: Sabotage,
    ) -> Reply {
        self.lock(&self.merchants).insert(request.merchant.id.clone());
        match bug {
            Sabotage::SwapAnswers => {
                let reply = self.inner.submit(request, came).await;
                self.swap(reply).await
            }
            Sabotage::DeclinedAsApproved => {
                told_as_approved(self.inner.submit(request, came).await, |verdict| {
                    matches!(verdict, Verdict::Declined(_))
                })
            }
            Sabotage::PendingAsApproved => {
                told_as_approved(self.inner.submit(request, came).await, |verdict| {
                    verdict == Verdict::Pending(PendingReason::HostTimeout)
                })
            }
            Sabotage::RefundTwice => {
                if let Asked::FollowUp(follow_up) = &request.asked
                    && follow_up.operation == Operation::Refund
                {
                    drop(self.inner.submit(self.under_new_names(&request), came).await);
                }
                self.inner.submit(request, came).await
            }
            Sabotage::RetryPaysAgain => {
                if let Asked::New(asked) = &request.asked {
                    let key = (asked.merchant.clone(), asked.key.clone());
                    if !self.lock(&self.keys).insert(key) {
                        request = self.under_new_names(&request);
                    }
                }
                self.inner.submit(request, came).await
            }
            Sabotage::MismatchAccepted => {
                let other = self.under_new_names(&request);
                match self.inner.submit(request, came).await {
                    Reply::Refusal(Refusal::KeyMismatch) => self.inner.submit(other, came).await,
                    reply => reply,
                }
            }
            Sabotage::LeakCode => {
                if let Some(code) = &request.secrets.security_code {
                    tracing::info!("additional data: CV03{}", code.expose());
                }
                self.inner.submit(request, came).await
            }
            _ => self.inner.submit(request, came).await,
        }
    }

    async fn show_to_anyone(&self, merchant: MerchantId, by: QueryBy) -> Reply {
        let reply = self.inner.query(merchant, by.clone()).await;
        if !matches!(reply, Reply::Refusal(Refusal::NotFound)) {
            return reply;
        }
        let others = self.lock(&self.merchants).clone();
        for other in others {
            let shown = self.inner.query(other, by.clone()).await;
            if matches!(shown, Reply::Outcome { .. }) {
                return shown;
            }
        }
        reply
    }

    /// The same once more, under another key and, if it is new, for another order.
    fn under_new_names(&self, request: &DecodedRequest) -> DecodedRequest {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let new_key = |key: &IdempotencyKey| {
            IdempotencyKey::parse(&format!("s-{number}-{}", key.as_str().len()))
                .unwrap_or_else(|_| key.clone())
        };
        let asked = match &request.asked {
            Asked::FollowUp(follow_up) => {
                let mut other = follow_up.clone();
                other.key = new_key(&follow_up.key);
                Asked::FollowUp(other)
            }
            Asked::New(asked) => {
                let mut other = asked.clone();
                other.key = new_key(&asked.key);
                let order = OrderId::parse(&format!("s-{number}"));
                other.order = order.unwrap_or_else(|_| asked.order.clone());
                Asked::New(other)
            }
        };
        let merchant = Arc::clone(&request.merchant);
        DecodedRequest {
            asked,
            merchant,
            secrets: request.secrets.clone(),
            objection: request.objection,
        }
    }

    fn lock<'a, T>(&self, it: &'a Mutex<T>) -> std::sync::MutexGuard<'a, T> {
        it.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn told_as_approved(reply: Reply, is_meant: impl FnOnce(Verdict) -> bool) -> Reply {
    match reply {
        Reply::Outcome { view, replayed } if is_meant(view.get().verdict) => {
            let view: Durable<View> = view.map(|mut view| {
                view.verdict = Verdict::Approved;
                view.approved = Some(view.request.amount);
                view
            });
            Reply::Outcome { view: Box::new(view), replayed }
        }
        reply => reply,
    }
}

impl<C: Core> Core for SabotagedCore<C> {
    fn approach(&self, who: Option<&MerchantId>, weight: u32) -> Result<Option<Entering>, Crowded> {
        self.inner.approach(who, weight)
    }

    fn submit(&self, request: DecodedRequest, came: Instant) -> BoxFuture<'_, Reply> {
        match self.chosen {
            Some(bug) => Box::pin(self.submit_falsely(request, came, bug)),
            None => self.inner.submit(request, came),
        }
    }

    fn query(&self, merchant: MerchantId, by: QueryBy) -> BoxFuture<'_, Reply> {
        match self.chosen {
            Some(Sabotage::ShowToAnyone) => Box::pin(self.show_to_anyone(merchant, by)),
            _ => self.inner.query(merchant, by),
        }
    }
}
