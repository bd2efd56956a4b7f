//! The same under aws-lambda-rie, which starts a function at its first invocation: from the request to its answer.

use crate::Outcome;
use crate::measure::milliseconds;
use crate::program::{Place, Program};
use crate::table::Table;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

/// How long the emulator may take to listen, in steps of 5 ms.
const STEPS: usize = 1000;

/// What programs took, in milliseconds.
#[derive(Debug)]
pub struct UnderRie {
    pub program: &'static str,
    pub totals: Vec<f64>,
}

/// Starts each program in turn, `runs` times, each in a new emulator.
pub fn interleaved(
    runs: usize,
    rie: &str,
    programs: &[Program],
    place: &Place,
    table: &Table,
) -> Outcome<Vec<UnderRie>> {
    let mut all: Vec<_> =
        programs.iter().map(|program| UnderRie { program: program.name, totals: Vec::new() }).collect();
    for _run in 0..runs {
        for (program, under_rie) in programs.iter().zip(&mut all) {
            let total = total(rie, program, place, table).map_err(|error| format!("{} by RIE: {error}", program.name));
            under_rie.totals.push(total?);
        }
    }
    Ok(all)
}

fn total(rie: &str, program: &Program, place: &Place, table: &Table) -> Outcome<f64> {
    let [emulator, api] = free_addresses();
    let mut command = place.command(rie);
    command.args(["--runtime-interface-emulator-address", &emulator.to_string()]);
    command.args(["--runtime-api-address", &api.to_string()]).args(program.arguments());
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _ends_with_this = Emulator(child.map_err(|error| format!("{rie}: {error}"))?);
    let mut stream = connected(emulator)?;
    let event = &table.get;
    // HTTP/1.0: the answer ends with the connection.
    let request = format!(
        "POST /2015-03-31/functions/function/invocations HTTP/1.0\r\nhost: {emulator}\r\ncontent-length: {}\r\n\r\n{event}",
        event.len()
    );
    let begun = scimlet::ambient::monotonic();
    let mut exchange = || -> io::Result<Vec<u8>> {
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(|error| error.to_string())?;
    let took = begun.elapsed();
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").ok_or("no answer")?;
    table.check_get(&answer[head + 4..])?;
    Ok(milliseconds(took))
}

/// Ends the emulator in the way in which it ends its function.
struct Emulator(Child);

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ended_already = std::process::Command::new("kill").arg(self.0.id().to_string()).status();
        let _status = self.0.wait();
    }
}

fn free_addresses() -> [SocketAddr; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

fn connected(address: SocketAddr) -> Outcome<TcpStream> {
    for _step in 0..STEPS {
        if let Ok(stream) = TcpStream::connect(address) {
            // It may listen before it is idle.
            std::thread::sleep(Duration::from_millis(20));
            stream.set_nodelay(true).unwrap();
            return Ok(stream);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(format!("nothing listens on {address}"))
}
