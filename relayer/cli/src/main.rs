//! `aes`: deploy, attest, relay, and a user's hand on an execution.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use aes_cli::commands::{
    admin, attach, attest, completions, config, demo, deploy, devnet, escape, keys, list, open, prepare, proof, relay,
    report, rollback, rotate, status, verify,
};
use aes_cli::context::Context;
use aes_cli::output::Output;
use aes_config::Config;
use anyhow::Result;
use clap::{Parser, Subcommand};
use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{setrlimit, Resource};
use tracing_subscriber::EnvFilter;

/// Atomic Execution Sync: ALZ on several chains at once, all or none.
#[derive(Parser)]
#[command(name = "aes", version, about)]
struct Aes {
    /// the config file; aes.example.toml explains every key
    #[arg(long, global = true, env = "AES_CONFIG", default_value = "aes.toml")]
    config: PathBuf,
    /// answers and logs as JSON, one object a line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// puts the contracts on every chain and writes the manifest; what is there and right is left alone
    Deploy(deploy::Deploy),
    /// runs one attestor, or approves a next attestor set
    Attest(attest::Attest),
    /// carries messages until every execution has ended
    Relay,
    /// moves every chain to a next attestor set that the current one has signed
    Rotate(rotate::Rotate),
    /// pauses, unpauses, takes over as admin, migrates the coordinator
    #[command(subcommand)]
    Admin(admin::Admin),
    /// brings both decisions that attestors signed of one execution to the coordinator, which stops taking new ones
    ReportEquivocation(report::ReportEquivocation),
    /// opens an execution
    Open(open::Open),
    /// puts a leg's ALZ into its escrow
    Prepare(prepare::Prepare),
    /// puts a depositor's pre-signatures of a Bitcoin leg on the home chain
    Attach(attach::Attach),
    /// shows one execution
    Status(status::Status),
    /// lists executions
    List(list::List),
    /// gives everything back
    Rollback(rollback::Rollback),
    /// takes back a hold that no decision reached
    Escape(escape::Escape),
    /// writes everything that proves an execution into one file
    Proof(proof::Proof),
    /// checks a proof file, without a network unless you ask for one
    Verify(verify::Verify),
    /// makes keys and shows their accounts
    #[command(subcommand)]
    Keys(keys::Keys),
    /// looks at the config
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// starts real nodes, attestors and a relayer on loopback, until Ctrl-C
    Devnet(devnet::Devnet),
    /// plays one execution that is confirmed and one that is rolled back
    Demo(demo::Demo),
    /// completions for a shell
    Completions(completions::Completions),
}

fn main() -> ExitCode {
    let aes = Aes::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no threads to work with: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(answer(&aes));
    // What still watches a chain would log, while it is taken down, that its connection went away.
    std::mem::forget(runtime);
    code
}

async fn answer(aes: &Aes) -> ExitCode {
    if let Err(error) = keep_out_of_core_dumps() {
        eprintln!("error: this process cannot keep its keys out of core dumps: {error}");
        return ExitCode::FAILURE;
    }
    let quiet = matches!(aes.command, Command::Demo(_));
    let ran = match log_to_stderr(aes.json, quiet) {
        Ok(()) => run(aes).await,
        Err(error) => Err(error),
    };
    match ran {
        Ok(code) => code,
        Err(error) => {
            if aes.json {
                eprintln!("{}", serde_json::json!({ "error": format!("{error:#}") }));
            } else {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Keys are in this process's memory. The limit serves for files, the flag where the kernel hands cores to a program.
fn keep_out_of_core_dumps() -> nix::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    set_dumpable(false)
}

fn log_to_stderr(json: bool, quiet: bool) -> Result<()> {
    let default = if quiet { "off" } else { "info" };
    let filter = EnvFilter::try_from_env("AES_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    // whatever AES_LOG says: below info it prints URLs whole, with the passwords in them
    let filter = filter.add_directive("tendermint_rpc=info".parse()?);
    let is_terminal = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(is_terminal);
    if json {
        logs.json().init();
    } else {
        logs.init();
    }
    Ok(())
}

async fn run(aes: &Aes) -> Result<ExitCode> {
    let output = if aes.json { Output::Json } else { Output::Text };
    let context = || Context::open(&aes.config);
    match &aes.command {
        Command::Deploy(command) => command.run(&aes.config, output).await?,
        Command::Attest(command) => command.run(&aes.config, output).await?,
        Command::Relay => relay::run(&aes.config).await?,
        Command::Rotate(command) => {
            let report = command.run(&context().await?).await?;
            output.say(&report)?;
            if !report.passed() {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Open(command) => output.say(&command.run(&context().await?).await?)?,
        Command::Prepare(command) => command.say(&context().await?, output).await?,
        Command::Attach(command) => output.say(&command.run(&context().await?).await?)?,
        Command::Status(command) => command.run(&context().await?, output).await?,
        Command::List(command) => output.say(&command.run(&context().await?).await?)?,
        Command::Rollback(command) => output.say(&command.run(&context().await?).await?)?,
        Command::Escape(command) => command.say(&context().await?, output).await?,
        Command::Proof(command) => output.say(&command.run(&context().await?).await?)?,
        Command::Verify(command) => {
            let verified = command.run(&aes.config).await?;
            output.say(&verified)?;
            return Ok(ExitCode::from(verified.exit_code()));
        }
        Command::ReportEquivocation(command) => output.say(&command.run(&context().await?).await?)?,
        Command::Admin(command) => {
            let report = command.run(&Config::load(&aes.config)?).await?;
            output.say(&report)?;
            if !report.passed() {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Keys(command) => output.say(&command.run()?)?,
        Command::Config(command) => {
            let checks = command.run(&aes.config).await?;
            output.say(&checks)?;
            if !checks.passed() {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Devnet(command) => command.run(output).await?,
        Command::Demo(command) => command.run().await?,
        Command::Completions(command) => command.run::<Aes>(),
    }
    Ok(ExitCode::SUCCESS)
}
