//! What the command line asks for.

use std::path::PathBuf;

pub const USAGE: &str = "\
cargo bench --bench soak -- [--seconds N] [--rate N] [--connections N] [--users N] [--mix mixed|entra] [--apart] [--json]
cargo bench --bench soak -- --at-once N [--each N] [--json]

--seconds      how long requests are sent (120)
--rate         requests a second (200)
--connections  connections, each an identity provider of its own (32)
--users        users that are there at any time (1000)
--mix          mixed: several identity providers' shapes; entra: Entra ID's alone
--apart        the engine is a process of its own
--at-once      so many connections, opened together, instead of a rate
--each         requests on each of them (20)
--seed         what the traffic is drawn from (1)
--server       another scimlet than the one that was built with this
--json         the figures as JSON";

/// Whose shapes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    Mixed,
    Entra,
}

#[derive(Debug, Clone)]
pub struct Options {
    pub seconds: u64,
    pub rate: u64,
    pub connections: usize,
    pub users: usize,
    pub mix: Mix,
    pub at_once: Option<usize>,
    pub each: usize,
    pub seed: u64,
    pub server: PathBuf,
    pub is_apart: bool,
    pub json: bool,
}

impl Options {
    /// `None` for what is not understood.
    pub fn read(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            seconds: 120,
            rate: 200,
            connections: 32,
            users: 1000,
            mix: Mix::Mixed,
            at_once: None,
            each: 20,
            seed: 1,
            server: env!("CARGO_BIN_EXE_scimlet").into(),
            is_apart: false,
            json: false,
        };
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next()?.parse::<u64>().ok().filter(|&number| number > 0);
            match argument.as_str() {
                // Cargo's own.
                "--bench" => {}
                "--seconds" => options.seconds = number()?,
                "--rate" => options.rate = number()?,
                "--connections" => options.connections = number()?.try_into().ok()?,
                "--users" => options.users = number()?.try_into().ok()?,
                "--at-once" => options.at_once = Some(number()?.try_into().ok()?),
                "--each" => options.each = number()?.try_into().ok()?,
                "--seed" => options.seed = number()?,
                "--server" => options.server = arguments.next()?.into(),
                "--apart" => options.is_apart = true,
                "--json" => options.json = true,
                "--mix" => {
                    options.mix = match arguments.next()?.as_str() {
                        "mixed" => Mix::Mixed,
                        "entra" => Mix::Entra,
                        _ => return None,
                    }
                }
                _ => return None,
            }
        }
        Some(options)
    }
}
