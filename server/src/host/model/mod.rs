//! The model: one normal form of conversations, two protocols, and a client that calls. It decides nothing about trials;
//! what a failure means for one is a value ([`Consequence`]).
//!
//! ```no_run
//! # async fn ask(manifest: &harness_schema::manifest::Model) -> Result<(), Box<dyn std::error::Error>> {
//! use self_harness::host::model::{Client, KeySource, Message, Request, Settings};
//!
//! let key = KeySource::Variable(String::from("MODEL_API_KEY")).read(|name| std::env::var_os(name))?;
//! let client = Client::new(Settings::of(manifest)?, key.as_ref())?;
//! let messages = [Message::User(String::from("how many lines has data.csv?"))];
//! let request = Request { messages: &messages, tools: &[], seed: None };
//! let answer = client.complete(&request, &mut |wait| println!("waits {:?}", wait.delay)).await?;
//! println!("{}, which cost {}", answer.reply.text, answer.cost);
//! # Ok(())
//! # }
//! ```

mod endpoint;
mod key;
mod error;
mod conversation;
pub mod seed;
mod price;
mod retry;
mod settings;
mod sse;
mod openai;
mod anthropic;
mod client;
mod passed;

pub use self::client::{Answer, CallFailed, Client, ClientError, RETRY_HEADER, SEED_HEADER, Wait};
pub use self::conversation::{Arguments, Call, Message, Reply, Request, Stop, Tool, ToolResult, Turn, Usage};
pub use self::endpoint::{Endpoint, EndpointError};
pub use self::error::{Consequence, ModelError, TimeLimit};
pub use self::key::{KeyError, KeySource};
pub use self::passed::{Passed, Passing, Written};
pub use self::price::{Cost, Pricing};
pub use self::retry::Backoff;
pub use self::settings::Settings;
pub use self::sse::Event;
