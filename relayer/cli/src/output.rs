//! Everything a command says goes out here: text for people, JSON for programs.

use std::fmt::Display;
use std::io::Write;

use anyhow::Result;
use serde::Serialize;

#[derive(Debug, Clone, Copy)]
pub enum Output {
    Text,
    Json,
}

impl Output {
    pub fn say(self, report: &(impl Serialize + Display)) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match self {
            Self::Text => writeln!(out, "{report}")?,
            Self::Json => writeln!(out, "{}", serde_json::to_string(report)?)?,
        }
        Ok(())
    }
}
