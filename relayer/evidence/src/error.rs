//! Why a proof is not believed, by what the reader can do about it.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// the bytes are none of their kind
    #[error("{what}: {cause}; the file was changed or made by another program, make the proof anew")]
    Malformed { what: &'static str, cause: String },
    /// the bytes are well formed and prove something else
    #[error("{what}: {cause}; this is no proof of that leg")]
    Mismatch { what: &'static str, cause: String },
    /// all fits together, but nothing that the reader trusts stands under it
    #[error("{what} is not among the trusted anchors; pin it once you have checked it, or check it with --online")]
    NotAnchored { what: String },
}

impl ProofError {
    pub(crate) fn malformed(what: &'static str, cause: impl ToString) -> Self {
        Self::Malformed { what, cause: cause.to_string() }
    }
    pub(crate) fn mismatch(what: &'static str, cause: impl ToString) -> Self {
        Self::Mismatch { what, cause: cause.to_string() }
    }
}
