//! A depositor whose wallet is elsewhere: what it is given to sign, and the checks of what comes back.

use aes_bitcoin::{DepositError, Outcome, Presigned, WalletKey};
use aes_protocol::{Bytes, Hash32, Leg};
use bitcoin::{OutPoint, Psbt};

use super::deposits::{Deposit, SignedDeposit};
use super::BitcoinChain;
use crate::chain::TxId;
use crate::error::ChainError;

/// The deposit and both settlements of its hold (BIP-174, BIP-371): a wallet signs all three or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepositPsbts {
    pub deposit: Psbt,
    pub finalize: Psbt,
    pub release: Psbt,
}

impl Deposit {
    pub fn psbts(&self, wallet: &WalletKey) -> Result<DepositPsbts, String> {
        let hold = self.hold().map_err(|error| error.to_string())?;
        let settlement = |outcome| {
            let settlement = hold.settlement(outcome).map_err(DepositError::from)?;
            settlement.psbt(Some(wallet.origin.clone()))
        };
        Ok(DepositPsbts {
            deposit: self.draft.psbt_for(wallet).ok_or("the deposit is signed already")?,
            finalize: settlement(Outcome::Finalize).map_err(|error| error.to_string())?,
            release: settlement(Outcome::Release).map_err(|error| error.to_string())?,
        })
    }

    /// All that the wallet gave back, each signature checked.
    pub fn signed_in(&self, psbts: &DepositPsbts) -> Result<SignedDeposit, String> {
        let hold = self.hold().map_err(|error| error.to_string())?;
        let signature = |outcome, psbt| {
            let settlement = hold.settlement(outcome).map_err(DepositError::from)?;
            settlement.signature_in(psbt)
        };
        Ok(SignedDeposit {
            tx: self.draft.signed_in(&psbts.deposit).map_err(|error| format!("the deposit: {error}"))?,
            finalize: signature(Outcome::Finalize, &psbts.finalize).map_err(|error| format!("finalize: {error}"))?,
            release: signature(Outcome::Release, &psbts.release).map_err(|error| format!("release: {error}"))?,
        })
    }
}

impl BitcoinChain {
    /// The same three as long as the deposit can still be made.
    pub async fn deposit_psbts(
        &self,
        execution_id: &Hash32,
        deadline: u64,
        leg: &Leg,
    ) -> Result<DepositPsbts, ChainError> {
        self.following.follower.wait_until_read().await;
        let wallet = self.wallet_elsewhere()?;
        let deposit = self.deposit(execution_id, deadline, leg).await?;
        deposit.psbts(wallet).map_err(|error| self.node.refused(error))
    }

    /// Keeps what the wallet signed, and gives the bytes to attach. What was kept before stays: it may be attached already.
    pub fn take_signed(&self, execution_id: &Hash32, leg: &Leg, psbts: &DepositPsbts) -> Result<Bytes, ChainError> {
        let deposit = self.stored(execution_id, leg.index)?;
        let mut deposit =
            deposit.ok_or_else(|| self.node.refused("no deposit is drafted here: `aes prepare --psbt DIR` first"))?;
        if deposit.signed.is_none() {
            deposit.signed = Some(deposit.signed_in(psbts).map_err(|error| self.node.refused(error))?);
            self.keep_deposit(&deposit)?;
        }
        let presigned = deposit.presigned().ok_or_else(|| self.node.refused("the deposit is not signed"))?;
        Ok(presigned.encode())
    }

    /// That the bytes are a depositor's word for this leg; the output that is to be its hold.
    pub async fn check_presigned(
        &self,
        execution_id: &Hash32,
        leg: &Leg,
        bytes: &Bytes,
    ) -> Result<OutPoint, ChainError> {
        let escrow = self.sets.escrow().await?;
        let hold = Presigned::decode(&bytes.0).and_then(|presigned| presigned.verify(&escrow, execution_id, leg));
        Ok(hold.map_err(|error| self.node.refused(error.to_string()))?.outpoint)
    }

    /// The leg of a deposit that was made here: known without the home chain.
    pub fn deposited_leg(&self, execution_id: &Hash32, leg: u8) -> Result<Option<Leg>, ChainError> {
        Ok(self.stored(execution_id, leg)?.map(|deposit| deposit.leg))
    }

    pub async fn escape_psbt(&self, execution_id: &Hash32, leg: &Leg) -> Result<Psbt, ChainError> {
        self.following.follower.wait_until_read().await;
        let wallet = self.wallet_elsewhere()?;
        let escape = self.drafted_escape(execution_id, leg).await?;
        escape.psbt(Some(wallet.origin.clone())).map_err(|error| self.node.refused(error.to_string()))
    }

    pub async fn send_escape(&self, execution_id: &Hash32, leg: &Leg, psbt: &Psbt) -> Result<TxId, ChainError> {
        self.following.follower.wait_until_read().await;
        let refused = |error: String| self.node.refused(error);
        let (hold, value) = self.own_hold(execution_id, leg).await?;
        let fee = psbt.fee().map_err(|error| refused(error.to_string()))?;
        let escape = hold.escape_for(value, &leg.from.0, fee).map_err(|error| refused(error.to_string()))?;
        let signature = escape.signature_in(psbt).map_err(|error| refused(error.to_string()))?;
        Ok(TxId(self.finish_escape(&escape, &signature).await?.to_string()))
    }

    fn wallet_elsewhere(&self) -> Result<&WalletKey, ChainError> {
        let wallet = self.elsewhere.as_ref().map(|elsewhere| &elsewhere.key);
        wallet
            .ok_or_else(|| self.node.refused("no wallet in the config: give its key in `bitcoin.wallet`, and no `key`"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aes_bitcoin::{AttestorKeys, AttestorSets, Coin, Escrow, RefundDelay, RuneId};
    use aes_protocol::{Attestor, AttestorSet, Function};
    use bitcoin::hashes::Hash;
    use bitcoin::key::Keypair;
    use bitcoin::secp256k1::Secp256k1;
    use bitcoin::{Amount, FeeRate, Network, PrivateKey, TxOut, Txid};

    use super::super::deposits::Deposits;
    use super::*;

    fn keypair(number: u8) -> Keypair {
        Keypair::from_seckey_slice(&Secp256k1::new(), &[number; 32]).unwrap()
    }

    fn wallet() -> WalletKey {
        format!("[d34db33f/86h/1h/0h/0/0]{}", keypair(9).x_only_public_key().0).parse().unwrap()
    }

    fn draft() -> (Escrow, Deposit) {
        let key = |number| Hash32(keypair(number).x_only_public_key().0.serialize());
        let attestor = |number| Attestor { signer: vec![number; 20].into(), bitcoin_key: key(number) };
        let set = AttestorSet { id: 1, threshold: 2, attestors: (1..=3).map(attestor).collect() };
        let mut sets = AttestorSets::default();
        sets.add(AttestorKeys::new(&set).unwrap());
        let chain = "bip122:0f9188f13cb7b2c71f2a335e3a4fc328".parse().unwrap();
        let rune = RuneId { block: 100, tx: 1 };
        let escrow = Escrow { chain, deployment: Hash32([7; 32]), rune, first_set: 1, sets };
        let own = wallet().script();
        let leg = Leg {
            index: 0,
            chain: escrow.chain.clone(),
            escrow: escrow.address().unwrap(),
            function: Function::Lock,
            from: own.to_bytes().into(),
            to: Bytes::default(),
            amount: 100u128.into(),
        };
        let refund = RefundDelay::from_units(5).unwrap();
        let script = escrow.account_hold(&Hash32([1; 32]), &leg, 1, wallet().key, refund).unwrap();
        let outpoint = OutPoint { txid: Txid::from_byte_array([3; 32]), vout: 0 };
        let output = TxOut { value: Amount::from_sat(20_000), script_pubkey: own.clone() };
        let coins = [Coin { outpoint, output, alz: 100 }];
        let draft = script.deposit(&coins, own.as_bytes(), FeeRate::from_sat_per_vb_u32(2)).unwrap();
        let deposit = Deposit::new(&escrow, &script, 1_800_000_000, draft).unwrap();
        (escrow, deposit)
    }

    fn signs(psbt: &mut Psbt) {
        let (key, secret) = (keypair(9).x_only_public_key().0, keypair(9).secret_key());
        let keys = BTreeMap::from([(key, PrivateKey::new(secret, Network::Regtest))]);
        psbt.sign(&keys, &Secp256k1::new()).unwrap();
    }

    #[test]
    fn a_wallet_elsewhere_signs_all_three_or_nothing_is_kept() {
        let (escrow, mut deposit) = draft();
        let mut psbts = deposit.psbts(&wallet()).unwrap();
        for (psbt, cause) in [(0, "the deposit: "), (1, "finalize: "), (2, "release: ")] {
            let refused = deposit.signed_in(&psbts).unwrap_err();
            assert!(refused.starts_with(cause), "{refused}");
            signs([&mut psbts.deposit, &mut psbts.finalize, &mut psbts.release][psbt]);
        }
        let signed = deposit.signed_in(&psbts).unwrap();
        assert_eq!(signed.tx.compute_txid(), deposit.outpoint().txid);
        deposit.signed = Some(signed);
        let presigned = Presigned::decode(&deposit.presigned().unwrap().encode().0).unwrap();
        let hold = presigned.verify(&escrow, &deposit.execution_id, &deposit.leg).unwrap();
        assert_eq!(hold.outpoint, deposit.outpoint());
    }

    #[test]
    fn the_deposit_of_an_earlier_run_is_read_back_and_can_be_escaped_from() {
        let (_, mut signed) = draft();
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join("bitcoin.json");
        let deposits = Deposits::beside(&index);
        assert!(deposits.get(&signed.execution_id, 0).unwrap().is_none());
        let mut psbts = signed.psbts(&wallet()).unwrap();
        [&mut psbts.deposit, &mut psbts.finalize, &mut psbts.release].into_iter().for_each(signs);
        signed.signed = Some(signed.signed_in(&psbts).unwrap());
        deposits.put(&signed).unwrap();

        let again = Deposits::beside(&index).get(&signed.execution_id, 0).unwrap().unwrap();
        assert_eq!(again.presigned(), signed.presigned());
        assert_eq!(again.signed, signed.signed);
        assert_eq!(Deposits::beside(&index).promised(0).unwrap(), signed.inputs().collect());
        assert!(Deposits::beside(&index).promised(signed.deadline).unwrap().is_empty(), "its coins are free again");
        // no home chain was asked
        let hold = again.hold().unwrap();
        let value = hold.script.sats();
        let escape = hold.escape(value, &again.leg.from.0, FeeRate::from_sat_per_vb_u32(1)).unwrap();
        let mut psbt = escape.psbt(Some(wallet().origin)).unwrap();
        signs(&mut psbt);
        let escape = hold.escape_for(value, &again.leg.from.0, psbt.fee().unwrap()).unwrap();
        assert!(escape.finish(&escape.signature_in(&psbt).unwrap()).is_ok());
    }
}
