//! An EVM account that signs its own transactions: for what a user's wallet or the admin sends and the adapters do not
//! (allowances, permits, pause).

use std::time::Duration;

use aes_config::{ManifestChain, SecretKey};
use aes_protocol::{keccak, Domain, Hash32, Leg};
use anyhow::{bail, ensure, Context as _, Result};
use ethers_core::abi::{encode, AbiDecode, AbiEncode, Token};
use ethers_core::types::transaction::eip2718::TypedTransaction;
use ethers_core::types::{Address, Bytes as CallData, TransactionRequest, H256, U256};
use ethers_signers::{LocalWallet, Signer};
use serde_json::{json, Value};

use crate::PATIENCE;

mod escrow {
    ethers_contract::abigen!(AesEscrow, "../../schema/evm/AesEscrow.json");
}
mod token {
    ethers_contract::abigen!(AlzToken, "../../schema/evm/AlzToken.json");
}

/// Between looks for a receipt.
const LOOK: Duration = Duration::from_millis(100);

pub struct EvmAccount {
    url: String,
    chain_id: u64,
    wallet: LocalWallet,
    http: reqwest::Client,
    pub escrow: Address,
    pub token: Address,
}

impl EvmAccount {
    pub fn new(url: &str, chain_id: u64, key: &SecretKey, deployed: &ManifestChain) -> Result<Self> {
        Ok(Self {
            url: url.into(),
            chain_id,
            wallet: LocalWallet::from_bytes(key.expose())?.with_chain_id(chain_id),
            http: reqwest::Client::builder().no_proxy().build()?,
            escrow: deployed.escrow_address.parse()?,
            token: deployed.asset.parse()?,
        })
    }

    pub async fn rpc(&self, method: &str, params: Value) -> Result<Value> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut answer: Value = self.http.post(&self.url).json(&request).send().await?.json().await?;
        match answer.get("error") {
            Some(error) => bail!("{method}: {error}"),
            None => Ok(answer["result"].take()),
        }
    }

    /// Signs, sends, waits for the block.
    pub async fn send(&self, to: Address, data: Vec<u8>) -> Result<()> {
        let from = self.wallet.address();
        let nonce: U256 = serde_json::from_value(self.rpc("eth_getTransactionCount", json!([from, "pending"])).await?)?;
        let price: U256 = serde_json::from_value(self.rpc("eth_gasPrice", json!([])).await?)?;
        let call = json!([{ "from": from, "to": to, "data": CallData::from(data.clone()) }]);
        let gas: U256 = serde_json::from_value(self.rpc("eth_estimateGas", call).await?)?;
        let request = TransactionRequest::new().from(from).to(to).data(data).nonce(nonce).gas(gas * 2);
        let transaction = TypedTransaction::Legacy(request.gas_price(price * 2).chain_id(self.chain_id));
        let signature = self.wallet.sign_transaction(&transaction).await?;
        let hash = self.rpc("eth_sendRawTransaction", json!([transaction.rlp_signed(&signature)])).await?;
        let mined = async {
            loop {
                let receipt = self.rpc("eth_getTransactionReceipt", json!([hash])).await?;
                if !receipt.is_null() {
                    ensure!(receipt["status"] == "0x1", "transaction {hash} reverted");
                    return Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, mined).await.context("a transaction in no block")?
    }

    async fn read<T: AbiDecode>(&self, to: Address, call: impl AbiEncode) -> Result<T> {
        let call = json!([{ "to": to, "data": CallData::from(call.encode()) }, "latest"]);
        let answer: CallData = serde_json::from_value(self.rpc("eth_call", call).await?)?;
        Ok(T::decode(answer)?)
    }

    /// An allowance for the escrow that never runs out.
    pub async fn approve_all(&self) -> Result<()> {
        self.send(self.token, token::ApproveCall { spender: self.escrow, value: U256::MAX }.encode()).await
    }

    pub async fn allowance(&self) -> Result<U256> {
        let owner = self.wallet.address();
        self.read(self.token, token::AllowanceCall { owner, spender: self.escrow }).await
    }

    pub async fn revoke(&self) -> Result<()> {
        self.send(self.token, token::ApproveCall { spender: self.escrow, value: U256::zero() }.encode()).await
    }

    pub async fn pause(&self) -> Result<()> {
        self.send(self.escrow, escrow::PauseCall.encode()).await
    }

    pub async fn unpause(&self) -> Result<()> {
        self.send(self.escrow, escrow::UnpauseCall.encode()).await
    }

    /// What a depositor's wallet signs: the deposit under AES' domain and an EIP-2612 permit under the token's.
    pub async fn permit_deposit(
        &self,
        domain: &Domain,
        execution_id: &Hash32,
        deadline: u64,
        leg: &Leg,
    ) -> Result<PermittedDeposit> {
        let words = [
            Token::FixedBytes(keccak(b"Deposit(bytes32 executionId,bytes32 legHash,uint64 deadline)").0.into()),
            Token::FixedBytes(execution_id.0.into()),
            Token::FixedBytes(leg.hash().0.into()),
            Token::Uint(deadline.into()),
        ];
        let authorization = self.wallet.sign_hash(H256(domain.digest(&keccak(&encode(&words))).0))?;

        let (owner, value) = (self.wallet.address(), U256::from(leg.amount.u128()));
        let nonce: U256 = self.read(self.token, token::NoncesCall { owner }).await?;
        let separator: [u8; 32] = self.read(self.token, token::DomainSeparatorCall).await?;
        let permit_type = b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)";
        let permit = keccak(&encode(&[
            Token::FixedBytes(keccak(permit_type).0.into()),
            Token::Address(owner),
            Token::Address(self.escrow),
            Token::Uint(value),
            Token::Uint(nonce),
            Token::Uint(deadline.into()),
        ]));
        let digest = keccak(&[&[0x19, 0x01][..], &separator, &permit.0].concat());
        let signature = self.wallet.sign_hash(H256(digest.0))?;
        let word = |number: U256| {
            let mut bytes = [0; 32];
            number.to_big_endian(&mut bytes);
            bytes
        };
        let account = |bytes: &[u8]| if bytes.is_empty() { Address::zero() } else { Address::from_slice(bytes) };
        Ok(PermittedDeposit(escrow::PrepareForCall {
            execution_id: execution_id.0,
            deadline,
            leg: escrow::Leg {
                index: leg.index,
                fn_: leg.function.code(),
                from: account(leg.from.as_slice()),
                to: account(leg.to.as_slice()),
                amount: leg.amount.u128(),
            },
            authorization: authorization.to_vec().into(),
            permit: escrow::PermitData {
                value,
                deadline: deadline.into(),
                v: u8::try_from(signature.v)?,
                r: word(signature.r),
                s: word(signature.s),
            },
        }))
    }

    pub async fn prepare_for(&self, deposit: &PermittedDeposit) -> Result<()> {
        self.send(self.escrow, deposit.0.clone().encode()).await
    }
}

/// What anybody may send for the depositor who signed it.
pub struct PermittedDeposit(escrow::PrepareForCall);

impl PermittedDeposit {
    /// The same signatures under a recipient of somebody else's choosing.
    pub fn redirected(&self, to: Address) -> Self {
        let mut call = self.0.clone();
        call.leg.to = to;
        Self(call)
    }
}
