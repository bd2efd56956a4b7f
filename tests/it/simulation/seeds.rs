//! Runs that found something once.
