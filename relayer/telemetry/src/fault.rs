//! Every kind of fault that an operator can meet, one row each. AES-R is told by a relayer, AES-A by an attestor, AES-C by
//! whoever of them looks at the chain.

use crate::metrics::metrics;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// somebody should look today: it does not end by itself, or it should never be
    Alarm,
    /// dealt with; worth a look where it goes on
    Warning,
}

macro_rules! faults {
    ($($fault:ident $code:literal $level:ident,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fault { $($fault,)* }

        impl Fault {
            pub const ALL: &'static [Fault] = &[$(Fault::$fault,)*];

            /// As logs, metrics and docs/runbook.md have it; never given to another fault.
            pub fn code(self) -> &'static str {
                match self { $(Fault::$fault => $code,)* }
            }

            pub fn level(self) -> Level {
                match self { $(Fault::$fault => Level::$level,)* }
            }
        }
    };
}

faults! {
    HomeUnreachable "AES-R-HOME-UNREACHABLE" Warning,
    ChainUnreachable "AES-R-CHAIN-UNREACHABLE" Warning,
    ChainStalled "AES-R-CHAIN-STALLED" Alarm,
    AttestorsDisagree "AES-R-ATTESTORS-DISAGREE" Alarm,
    NoCertificate "AES-R-NO-CERTIFICATE" Warning,
    AttestorSilent "AES-R-ATTESTOR-SILENT" Warning,
    FalseRecord "AES-R-FALSE-RECORD" Alarm,
    NoNode "AES-R-NO-NODE" Alarm,
    InsufficientGas "AES-R-INSUFFICIENT-GAS" Alarm,
    FeeAtCap "AES-R-FEE-AT-CAP" Alarm,
    NotSent "AES-R-NOT-SENT" Warning,
    Reverted "AES-R-REVERTED" Warning,
    Lost "AES-R-LOST" Warning,
    BadAnswer "AES-R-BAD-ANSWER" Warning,
    CannotPrepare "AES-R-CANNOT-PREPARE" Warning,
    PaymentFailed "AES-R-PAYMENT-FAILED" Alarm,
    Escaped "AES-R-ESCAPED" Alarm,
    Database "AES-R-DATABASE" Alarm,
    Panicked "AES-R-PANICKED" Alarm,
    CutOff "AES-R-CUT-OFF" Warning,
    EndpointLies "AES-A-ENDPOINT-LIES" Alarm,
    Stopped "AES-A-STOPPED" Alarm,
    Equivocation "AES-A-EQUIVOCATION" Alarm,
    Unavailable "AES-A-UNAVAILABLE" Alarm,
    WrongChain "AES-C-WRONG-CHAIN" Alarm,
    DeepReorg "AES-C-DEEP-REORG" Alarm,
}

impl Fault {
    pub(crate) fn labels(self) -> [&'static str; 2] {
        let level = match self.level() {
            Level::Alarm => "alarm",
            Level::Warning => "warning",
        };
        [self.code(), level]
    }

    pub fn count(self) {
        metrics().faults.add(self.labels(), 1);
    }

    /// How often since the process began.
    pub fn counted(self) -> u64 {
        metrics().faults.get(self.labels())
    }
}
