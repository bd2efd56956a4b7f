//! scimlet: a serverless SCIM 2.0 service provider.
//!
//! # Layout
//!
//! ```text
//! protocol  <-  store  <-  service  <-  http  <-  bin
//! ```
//!
//! A module uses what stands to its left. [`protocol`] is SCIM itself, as data in and data out; `store` is the only
//! place that names DynamoDB; `service` holds the use cases of RFC 7644 section 3; `http` holds routes, the token
//! check and the one response builder; `lambda` and `local` are what stands around it in a function and on a desk.
//! `ambient` is the one home of the clock, of randomness and of the environment.

#[cfg(feature = "server")]
pub mod ambient;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "local")]
pub mod local;
pub mod protocol;
#[cfg(feature = "server")]
pub mod service;
#[cfg(feature = "server")]
pub mod store;
