//! A hold begins: a depositor's ALZ comes in, or the reserve's is set aside. Everything that may be refused is
//! refused here, where a refusal leads to a rollback; nothing is left to be refused at settlement.

use aes_protocol::{verify_path, Function, Hash32, Leg, Statement};
use cosmwasm_std::{Addr, CosmosMsg, Deps, DepsMut, Env, Event, MessageInfo, Response, StdResult, Uint128};

use super::{check_depositor, check_ours, humanize};
use crate::asset::send_coins;
use crate::error::ContractError;
use crate::events;
use crate::msg::{Hold, HoldStatus, Opened};
use crate::state::{hold_key, moment, Config, BALANCES, CONFIG, HOLDS, RESERVE};

/// What a prepare is about, however the ALZ comes.
pub struct Prepare {
    execution_id: Hash32,
    deadline: u64,
    leg: Leg,
    leg_hash: Hash32,
}

impl Prepare {
    pub fn new(execution_id: Hash32, deadline: u64, leg: Leg) -> Self {
        Self { execution_id, deadline, leg_hash: leg.hash(), leg }
    }

    /// From the sender's funds, or from the reserve with an `Opened` certificate.
    pub fn execute(
        self,
        deps: DepsMut,
        env: &Env,
        info: &MessageInfo,
        opened: Option<Opened>,
    ) -> Result<Response, ContractError> {
        let function = self.leg.function.name();
        match (self.leg.function.is_account_sourced(), opened) {
            (true, None) => self.with_coins(deps, env, info),
            (true, Some(_)) => Err(ContractError::OpenedNotTaken { function }),
            (false, Some(opened)) if info.funds.is_empty() => self.with_reserve(deps, env, &opened),
            (false, Some(_)) => Err(ContractError::NoFunds),
            (false, None) => Err(ContractError::OpenedMissing { function }),
        }
    }

    fn with_coins(self, deps: DepsMut, env: &Env, info: &MessageInfo) -> Result<Response, ContractError> {
        let config = CONFIG.load(deps.storage)?;
        check_depositor(deps.api, &info.sender, &self.leg)?;
        if self.is_repeated(deps.as_ref(), env, &config)? {
            let funds = (!info.funds.is_empty()).then(|| send_coins(&info.sender, info.funds.clone()));
            return self.repeated(funds);
        }
        let came = config.asset.coins_received(info)?;
        self.deposit(deps, env, came)
    }

    /// From tokens that came through ALZ's cw20.
    pub fn with_cw20(
        self,
        deps: DepsMut,
        env: &Env,
        depositor: &Addr,
        came: Uint128,
    ) -> Result<Response, ContractError> {
        let config = CONFIG.load(deps.storage)?;
        let function = self.leg.function;
        if !function.is_account_sourced() {
            return Err(ContractError::OpenedMissing { function: function.name() });
        }
        check_depositor(deps.api, depositor, &self.leg)?;
        if self.is_repeated(deps.as_ref(), env, &config)? {
            return self.repeated(Some(config.asset.transfer(depositor, came)?));
        }
        self.deposit(deps, env, came)
    }

    fn deposit(self, deps: DepsMut, env: &Env, came: Uint128) -> Result<Response, ContractError> {
        if came != self.leg.amount {
            return Err(ContractError::Amount { got: came, expected: self.leg.amount });
        }
        let mut balances = BALANCES.load(deps.storage)?;
        balances.deposit(came)?;
        BALANCES.save(deps.storage, &balances)?;
        self.hold(deps, env)
    }

    fn with_reserve(self, deps: DepsMut, env: &Env, opened: &Opened) -> Result<Response, ContractError> {
        let config = CONFIG.load(deps.storage)?;
        if self.is_repeated(deps.as_ref(), env, &config)? {
            return self.repeated(None);
        }
        if !verify_path(&self.leg_hash, &opened.path, &opened.manifest_root) {
            return Err(ContractError::NotInManifest { leg_hash: self.leg_hash, manifest_root: opened.manifest_root });
        }
        let statement = Statement::Opened {
            execution_id: self.execution_id,
            manifest_root: opened.manifest_root,
            deadline: self.deadline,
        };
        aes_authority::verify(deps.as_ref(), env, &config.domain, &statement, &opened.certificate)?;

        let amount = self.leg.amount;
        let mut balances = BALANCES.load(deps.storage)?;
        let mut reserve = RESERVE.load(deps.storage)?.at(env.block.time.seconds());
        reserve.take(amount)?;
        let mint = if self.leg.function == Function::Mint {
            balances.mint(amount, reserve.limits.mint_cap)?;
            Some(config.asset.mint(&env.contract.address, amount)?)
        } else {
            balances.unlock(amount)?;
            None
        };
        RESERVE.save(deps.storage, &reserve)?;
        BALANCES.save(deps.storage, &balances)?;
        Ok(self.hold(deps, env)?.add_messages(mint))
    }

    /// Whether this very hold is there already. If not, a new one keeps every rule, or this is an error.
    fn is_repeated(&self, deps: Deps, env: &Env, config: &Config) -> Result<bool, ContractError> {
        check_ours(config, &self.leg)?;
        let (execution_id, leg_hash) = (self.execution_id, self.leg_hash);
        match HOLDS.may_load(deps.storage, hold_key(&execution_id, &leg_hash))? {
            None => self.check_new(deps, env, config).map(|()| false),
            Some(Hold { status: HoldStatus::Held, deadline: held, .. }) if held == self.deadline => Ok(true),
            Some(Hold { status: HoldStatus::Held, deadline: held, .. }) => {
                Err(ContractError::HoldHasOtherDeadline { execution_id, leg_hash, held, asked: self.deadline })
            }
            Some(Hold { status, .. }) => Err(ContractError::HoldSettled { execution_id, leg_hash, status }),
        }
    }

    fn check_new(&self, deps: Deps, env: &Env, config: &Config) -> Result<(), ContractError> {
        let (leg, deadline) = (&self.leg, self.deadline);
        aes_authority::assert_running(deps.storage)?;
        leg.validate()?;
        if matches!(leg.function, Function::Mint | Function::Burn) {
            config.asset.cw20(leg.function.name())?;
        }
        if leg.function.has_recipient() {
            humanize(deps.api, &leg.to)?;
            if leg.to == config.escrow {
                return Err(ContractError::RecipientIsEscrow);
            }
        }
        let now = env.block.time.seconds();
        if deadline <= now {
            return Err(ContractError::DeadlinePassed { deadline, now });
        }
        let latest = now.saturating_add(config.settings.max_horizon);
        if deadline > latest {
            return Err(ContractError::DeadlineTooFar { deadline, latest });
        }
        let max_leg = RESERVE.load(deps.storage)?.at(now).limits.max_leg;
        if leg.amount > max_leg {
            return Err(ContractError::LegTooLarge { amount: leg.amount, max_leg });
        }
        Ok(())
    }

    /// Nothing moves, and what came goes back.
    fn repeated(self, give_back: Option<CosmosMsg>) -> Result<Response, ContractError> {
        Ok(Response::new().add_event(self.event(true)?).add_messages(give_back))
    }

    fn hold(self, deps: DepsMut, env: &Env) -> Result<Response, ContractError> {
        let hold = Hold {
            status: HoldStatus::Held,
            deadline: self.deadline,
            held_at: Some(moment(env)),
            settled_at: None,
            failure: None,
        };
        HOLDS.save(deps.storage, hold_key(&self.execution_id, &self.leg_hash), &hold)?;
        Ok(Response::new().add_event(self.event(false)?))
    }

    fn event(&self, repeated: bool) -> StdResult<Event> {
        events::prepared(&self.execution_id, &self.leg_hash, &self.leg, self.deadline, repeated)
    }
}
