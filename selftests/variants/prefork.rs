//! A pre-forking server in Rust: `prefork PORT MIN_SPARE MAX_SPARE MAX_CONNECTIONS MAX_CHILDREN`.
//!
//! Signals are read from a signalfd, so no handler ever runs. A newborn is no branch of the parent's
//! loop: it leaves it, and all that the parent owned is closed as it is dropped. Either bound passed,
//! the pool goes to the middle between them, and rests there.

use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, io};

use parent::Parent;

#[path = "prefork_child.rs"]
mod child;
#[path = "prefork_http.rs"]
mod http;
#[path = "prefork_parent.rs"]
mod parent;
#[path = "prefork_sys.rs"]
mod sys;

/// Until what was refused, or found no room, is tried again.
const AGAIN: Duration = Duration::from_millis(100);
const BACKLOG: i32 = 1024;
const USAGE: &str = "usage: prefork PORT MIN_SPARE MAX_SPARE MAX_CONNECTIONS MAX_CHILDREN";

pub struct Limits {
    min_spare: usize,
    max_spare: usize,
    max_connections: u64,
    max_children: usize,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let lived = parse(&arguments).and_then(|(port, limits)| {
        live(port, limits).map_err(|error| format!("port {port}: {error}"))
    });
    match lived {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("prefork: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The parent's life, and each child's: `run` gives a child in the newborn only.
fn live(port: u16, limits: Limits) -> io::Result<()> {
    let parent = Parent::new(limits, listen(port)?)?;
    match parent.run()? {
        Some(child) => child.live(),
        None => Ok(()),
    }
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    // std asks for a backlog of 128. Another listen() changes that, and nothing else.
    sys::listen(&listener, BACKLOG)?;
    // In a blocking accept, who lost the race for a connection would sleep, deaf to K.
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn parse(arguments: &[String]) -> Result<(u16, Limits), String> {
    let [port, low, high, connections, children] = arguments else {
        return Err(USAGE.to_owned());
    };
    let limits = Limits {
        min_spare: positive("MIN_SPARE", low)? as usize,
        max_spare: positive("MAX_SPARE", high)? as usize,
        max_connections: positive("MAX_CONNECTIONS", connections)?.into(),
        max_children: positive("MAX_CHILDREN", children)? as usize,
    };
    let port = positive("PORT", port)?;
    let port =
        u16::try_from(port).map_err(|_| format!("PORT is {port}, at most 65535 is possible"))?;
    if limits.max_spare < limits.min_spare {
        return Err(format!("MAX_SPARE, {high}, is less than MIN_SPARE, {low}"));
    }
    if limits.max_children < limits.min_spare {
        return Err(format!(
            "MAX_CHILDREN, {children}, is less than MIN_SPARE, {low}"
        ));
    }
    Ok((port, limits))
}

fn positive(name: &str, text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{name} is {text:?}, a positive number is needed")),
    }
}
