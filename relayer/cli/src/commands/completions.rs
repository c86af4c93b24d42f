//! `aes completions`: for the shell.

use clap::CommandFactory;

#[derive(Debug, clap::Args)]
pub struct Completions {
    shell: clap_complete::Shell,
}

impl Completions {
    pub fn run<C: CommandFactory>(&self) {
        clap_complete::generate(self.shell, &mut C::command(), "aes", &mut std::io::stdout());
    }
}
