//! A target's bytes cut into the parts of a proof: two bytes of length before each (little-endian), the last takes the
//! rest.

use aes_protocol::Bytes;

pub fn cut(mut data: &[u8]) -> Vec<Bytes> {
    let mut chunks = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (chunk, rest) = rest.split_at(length);
        chunks.push(chunk.into());
        data = rest;
    }
    chunks
}

pub fn leg(chain: &str, account: &[u8]) -> aes_protocol::Leg {
    aes_protocol::Leg {
        index: 0,
        chain: chain.parse().expect("CAIP-2"),
        escrow: account.into(),
        function: aes_protocol::Function::Lock,
        from: account.into(),
        to: Bytes::default(),
        amount: 5u128.into(),
    }
}
