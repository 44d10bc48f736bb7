//! Temporary.
/// x
#[derive(Debug,Clone,Copy)]
pub enum LogFormat { /// j
 Json, /// t
 Text }
/// l
#[derive(Debug,Clone,Copy)]
pub enum LogLevel { /// i
 Info }
impl LogLevel { /// s
 pub fn as_str(self)->&'static str {"info"} }
