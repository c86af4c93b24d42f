//! One chain of the deployment: what the deployment file wants there, what the manifest knows of it, and the
//! comparisons that every kind of chain makes alike.

use aes_chains::evm::Limits;
use aes_config::{DeployChain, DeployConfig, Manifest, ManifestChain};
use aes_protocol::{AttestorSet, ChainId, Domain, Hash32};
use anyhow::{Context as _, Result};

use super::plan::{Act, Cost, Plan};

pub(super) struct Site<'a> {
    pub id: &'a ChainId,
    pub deploy: &'a DeployConfig,
    pub chain: &'a DeployChain,
    pub manifest: Option<&'a Manifest>,
    /// an endpoint of it is not on this machine: more than a devnet
    pub public: bool,
}

pub(super) struct Amounts {
    pub limits: Limits,
    pub vault: u128,
    pub initial_supply: u128,
}

/// What an escrow has for life, of either kind of chain.
pub(super) struct Fixed {
    pub domain: Domain,
    pub asset: String,
    pub max_horizon: u64,
    pub escape_delay: u64,
    pub limits_delay: u64,
    pub set_grace: u64,
}

impl Site<'_> {
    pub fn entry(&self) -> Option<&ManifestChain> {
        self.manifest?.chains.get(self.id)
    }

    pub fn domain(&self) -> Result<&Domain> {
        Ok(&self.manifest.context("there is no coordinator yet")?.domain)
    }

    pub fn amounts(&self) -> Result<Amounts> {
        let base_units = |key: &str, text: &str| -> Result<u128> {
            let wrong = || format!("deploy.chains.\"{}\".{key}: '{text}' is no amount in base units", self.id);
            text.parse().with_context(wrong)
        };
        let or_none = |key, text: &Option<String>| text.as_deref().map_or(Ok(0), |text| base_units(key, text));
        Ok(Amounts {
            limits: Limits {
                max_leg: base_units("max_leg", &self.chain.max_leg)?,
                reserve_per_hour: base_units("reserve_per_hour", &self.chain.reserve_per_hour)?,
                mint_cap: base_units("mint_cap", &self.chain.mint_cap)?,
            },
            vault: or_none("vault", &self.chain.vault)?,
            initial_supply: or_none("initial_supply", &self.chain.initial_supply)?,
        })
    }

    /// Who runs `aes deploy` must be the admin for what only the admin may change.
    pub fn only_admin(&self, what: &str, admin: &str) -> String {
        format!("{}: {what}; only its admin {admin} may do that: run `aes deploy` with that key in the config", self.id)
    }

    pub fn compare_code(&self, entry: &ManifestChain, found: Option<Hash32>, plan: &mut Plan) {
        let (id, address, wanted) = (self.id, &entry.escrow_address, entry.code_hash);
        match found {
            Some(code) if code == wanted => {}
            Some(code) => plan.problem(format!(
                "{id}: escrow {address} runs code {code}, the manifest says {wanted}; is it this deployment's manifest?"
            )),
            None => plan.problem(format!(
                "{id}: there is no code at escrow {address}; is this the chain the manifest was written for?"
            )),
        }
    }

    /// One stolen key would pause the escrow and loosen its limits; EVM: of our own token also mint, after setting the bridge.
    pub fn warn_of_plain_key(&self, admin: &str, plan: &mut Plan) {
        plan.warnings.push(format!(
            "{}: admin {admin} is a plain key on a public network; name a multisig or the chain's governance as \
             deploy.chains.\"{}\".admin",
            self.id, self.id
        ));
    }

    /// A vault is filled once: what left it since is not missing from it.
    pub fn is_vault_to_fill(&self, empty: bool, plan: &mut Plan) -> Result<bool> {
        if !empty {
            plan.filled.insert(self.id.clone());
        }
        let was_filled = self.manifest.is_some_and(|manifest| manifest.filled.contains(self.id));
        Ok(empty && !was_filled && self.amounts()?.vault > 0)
    }

    /// Contracts that hold ALZ keep their code for life, so this is only said.
    pub fn other_build(&self, what: &str, address: &str, artifact: &str, plan: &mut Plan) {
        let (id, path) = (self.id, self.deploy.artifacts.join(artifact));
        plan.differs.push(format!(
            "{id}: {what} {address} is of another build than {}; it keeps its code for life: a new build comes with a \
             deployment under another manifest",
            path.display()
        ));
    }

    /// ALZ's own code, where it is a contract: whoever can change it can change what is held.
    pub fn compare_asset_code(&self, asset: &str, found: Option<Hash32>, plan: &mut Plan) {
        let known = self.manifest.and_then(|manifest| manifest.asset_code.get(self.id));
        match found {
            Some(code) if known == Some(&code) => {}
            Some(code) => {
                let before = known.map_or("none".into(), Hash32::to_string);
                let what = format!(
                    "the manifest: ALZ {asset} runs code {code}, known was {before}; say yes only if you know why"
                );
                plan.add(self.id, Act::KnowAsset(code), what, &[], Cost::Nothing);
            }
            None => plan.problem(format!("{}: there is no code at ALZ {asset}; is this the right chain?", self.id)),
        }
    }

    /// `asset` is what the deployment file names, none where the deployment made the token itself.
    pub fn compare_fixed(&self, asset: Option<&str>, there: &Fixed, plan: &mut Plan) -> Result<()> {
        let (id, deploy, domain) = (self.id, self.deploy, self.domain()?);
        if there.domain != *domain {
            plan.problem(format!(
                "{id}: the escrow belongs to coordinator {} of {}, the manifest's is {} of {}; take the right manifest",
                there.domain.coordinator, there.domain.home_chain, domain.coordinator, domain.home_chain
            ));
        }
        let keeps =
            "an escrow keeps this for life: write it into the deployment file, or deploy anew under another manifest";
        if let Some(asset) = asset.filter(|asset| *asset != there.asset) {
            plan.problem(format!(
                "{id}: asset: the escrow is for {}, the deployment file says {asset}; {keeps}",
                there.asset
            ));
        }
        for (name, is, wanted) in [
            ("escape_delay", there.escape_delay, deploy.escape_delay),
            ("limits_delay", there.limits_delay, deploy.limits_delay),
        ] {
            if is != wanted {
                plan.problem(format!("{id}: {name}: the escrow's is {is}, the deployment file says {wanted}; {keeps}"));
            }
        }
        // The coordinator's own may be shorter: it is the narrower of the two that counts.
        for (name, is, wanted) in
            [("max_horizon", there.max_horizon, deploy.max_horizon), ("set_grace", there.set_grace, deploy.set_grace)]
        {
            if is < wanted {
                plan.problem(format!(
                    "{id}: {name}: the escrow's is {is}, the deployment file says {wanted}; an escrow keeps it for life: \
                     write at most {is} into the deployment file"
                ));
            }
        }
        Ok(())
    }

    pub fn compare_set(&self, whose: &str, there: &AttestorSet, plan: &mut Plan) {
        compare_set(self.id, whose, there, &self.deploy.attestor_set, plan);
    }
}

pub(super) fn compare_set(id: &ChainId, whose: &str, there: &AttestorSet, wanted: &AttestorSet, plan: &mut Plan) {
    if there == wanted {
        return;
    }
    let (is, file) = (there.hash(), wanted.hash());
    let cure = if there.id.checked_add(1) == Some(wanted.id) {
        "the attestors move to it: `aes attest approve` at each, then `aes rotate`".to_owned()
    } else {
        format!("write the current set {} into the deployment file; a next one comes by `aes rotate`", there.id)
    };
    plan.problem(format!(
        "{id}: attestor set: {whose} has set {} ({is}), the deployment file says {} ({file}); {cure}",
        there.id, wanted.id
    ));
}

pub(super) fn show_limits(limits: &Limits) -> String {
    format!("max_leg {}, reserve_per_hour {}, mint_cap {}", limits.max_leg, limits.reserve_per_hour, limits.mint_cap)
}
