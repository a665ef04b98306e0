/// What became of the pings of a run.

/// Pings, where nothing else is said.
struct PingCounts {
    /// Whose intended time lies in the measured part.
    var due = 0
    var sent = 0
    var acknowledged = 0
    /// Not sent: their connection was not open at their time, or 4,096 frames waited there already.
    var unsent = 0
    /// Sent, and not acknowledged when their connection ended.
    var cutOff = 0
    /// In frames that were refused for now (429, 503) or answered by a failure.
    var refusedPings = 0
    /// Frames that were refused for now.
    var refusals = 0
    /// Answers that are neither.
    var failures = 0
    /// Acknowledgements that carried rejections; a run has none.
    var rejections = 0
    /// Of the backlogs.
    var backlogSent = 0
    var backlogAcknowledged = 0
    /// Connections that ended by themselves.
    var lost = 0

    /// Sent, and still without an answer.
    var outstanding: Int { sent - acknowledged - cutOff - refusedPings }
}
