//! Asking the attestors, under the set that the home chain last showed as current.

use aes_attestor::{Certified, Quorum, QuorumError, Request};
use aes_protocol::Hash32;
use aes_telemetry::{fault, Fault};

use crate::Parts;

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("the home chain has not shown its attestor set yet")]
    NoSet,
    #[error(transparent)]
    Quorum(#[from] QuorumError),
}

impl Parts {
    pub async fn certify(&self, request: &Request) -> Result<Certified, CertificateError> {
        let set = self.board().set.clone().ok_or(CertificateError::NoSet)?;
        Ok(Quorum::collect(&self.attestors, request, &set, self.home.domain()).await?)
    }

    /// Where the attestors do not agree: said, and asked again later, when what we believe has been read anew.
    pub async fn certify_or_say(&self, execution_id: &Hash32, request: &Request) -> Option<Certified> {
        match self.certify(request).await {
            Ok(certified) => {
                self.agree(&certified.evidence);
                Some(certified)
            }
            Err(error) => {
                let what = match request {
                    Request::Opened { .. } => "Opened",
                    Request::Prepared { .. } => "Prepared",
                    Request::Decided { .. } => "Decided",
                    Request::Settled { .. } => "Settled",
                    Request::Rotated { .. } => "Rotated",
                };
                match &error {
                    CertificateError::Quorum(QuorumError { disputed: Some(disputed), .. }) => {
                        fault!(Fault::AttestorsDisagree, execution = %execution_id, "no {what} certificate: {error}");
                        self.dispute(disputed);
                    }
                    _ => fault!(
                        Fault::NoCertificate,
                        execution = %execution_id,
                        "no {what} certificate yet, asking again: {error}"
                    ),
                }
                let mut board = self.board();
                match request {
                    Request::Decided { execution_ids } => execution_ids.iter().for_each(|id| board.doubt(id)),
                    _ => board.doubt(execution_id),
                }
                None
            }
        }
    }

    /// Opens the connections, so that the first settlement does not wait for them.
    pub async fn greet_attestors(&self) {
        for attestor in &self.attestors {
            if let Err(error) = attestor.identity().await {
                fault!(Fault::AttestorSilent, "{error}");
            }
        }
    }
}
