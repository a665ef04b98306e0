/// How soon connections are there, from the moment they were meant to begin.

struct ConnectionFigures {
    /// To the handshake's end; where there is none, to the connection's.
    var handshake = Latencies()
    /// To the end of getting in: a device may send, a viewer has its first snapshot.
    var ready = Latencies()
    /// Attempts that failed. Each is made again, up to five times.
    var failures = 0
    /// Connections that were given up.
    var givenUp = 0
    /// What the last failure was.
    var reason: String?

    var finished: Int { ready.count + givenUp }
}
