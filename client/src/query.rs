//! What a program asks once, and what it is told.

use herenow_protocol::{Entry, ErrorCode, Explanation, Health, UserId};

use crate::Disconnect;

/// Questions of one client that are not answered yet. Further ones fail at once with [`QueryError::TooMany`].
pub const QUERIES_MAX: usize = 64;

/// The answer to a [`Query`](herenow_protocol::Query).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a question for people, for a number, or for a page of a room.
    People {
        /// How many were asked for by name, or are in the room.
        count: u32,
        /// What they are shown with. Of people asked for by name each in order, with ids from 0.
        entries: Vec<Entry>,
        /// The id with which the next page of a room begins; `None` after the last.
        next: Option<UserId>,
    },
    /// To the question why someone is shown as they are.
    Explanation(Explanation),
    /// To the question how the server is.
    Health(Health),
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// [`QUERIES_MAX`] questions wait for their answers already; this one was not asked.
    #[error("{QUERIES_MAX} questions are not answered yet")]
    TooMany,
    /// It does not fit a frame or names too many people; it was not asked. Ask for fewer at once.
    #[error("the question is too long: ask for fewer people at once")]
    TooLong,
    /// The server does not answer it.
    #[error("{}: {text}", code.name())]
    Refused {
        /// What is wrong, for programs.
        code: ErrorCode,
        /// What is wrong, for people.
        text: String,
    },
    /// The server answered something else.
    #[error("the server's answer is none to this question")]
    Misunderstood,
    /// The connection, or the try to make one, ended before the answer came.
    #[error("{0}")]
    Disconnected(Disconnect),
    /// There is no connection any more, and there will be none.
    #[error("the connection is over")]
    Over,
}

/// A question, by the number that this client gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(pub u64);
