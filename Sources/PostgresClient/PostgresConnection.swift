/// A connection for a thread that may block: the history writer's, and the commands'.
///
/// The socket never blocks; each call waits in poll(2) for the socket, its own deadline and the shared cut-off, so that a
/// Postgres that has stopped answering costs a bounded time.
import CPostgres
import EventLoop
import Glibc

/// A session with Postgres. One thread; ended by `deinit` (`PQfinish`). After an error of kind `.connection`,
/// `.interrupted` or `.transient` throw it away and make another.
public final class PostgresConnection {
    private let handle: PostgresHandle
    private let cutOff: PostgresCutOff
    /// How long one call may take in microseconds. The server's own `statement_timeout`, where it is set, should be less.
    private let patience: Int64

    /// Connects. `connectMilliseconds` bounds the connecting to each server of the address (name resolution, which libpq
    /// does inside, aside); without it the address's `connect_timeout` does, or 5 s, or 3 s where there are several.
    /// `callMilliseconds` bounds each single call.
    public init(
        _ address: PostgresAddress, cutOff: PostgresCutOff, connectMilliseconds: Int? = nil,
        callMilliseconds: Int = 30_000
    ) throws(PostgresError) {
        patience = Int64(callMilliseconds) * 1_000
        self.cutOff = cutOff
        var walk = ServerWalk(address, limitMilliseconds: connectMilliseconds)
        var handle = try walk.begin()
        var waiting = PGRES_POLLING_WRITING
        while waiting != PGRES_POLLING_OK {
            let events = waiting == PGRES_POLLING_WRITING ? POLLOUT : POLLIN
            guard cutOff.wait(socket: handle.socket, events: events, deadline: walk.deadline) else {
                guard !Self.isCutOff(cutOff), walk.skip() else {
                    throw Self.overdue(cutOff, "connecting to \(address.description)")
                }
                handle = try walk.begin()
                waiting = PGRES_POLLING_WRITING
                continue
            }
            waiting = PQconnectPoll(handle.pointer)
            if waiting == PGRES_POLLING_FAILED { throw handle.error }
            _ = walk.hasGoneOn(handle)
        }
        PQsetnonblocking(handle.pointer, 1)
        self.handle = handle
    }

    /// The server process that the connection was told at its beginning. A pool in between tells a number of its own, so that
    /// it differs from what the server calls `pg_backend_pid()`.
    public var announcedProcess: Int32 { PQbackendPID(handle.pointer) }

    /// Runs one statement with parameters `$1`, `$2`, … as text, nil for NULL.
    @discardableResult
    public func query(_ sql: String, _ parameters: [String?] = []) throws(PostgresError) -> PostgresRows {
        try handle.send(sql, parameters)
        return try finish(sql)
    }

    /// Runs statements separated by semicolons, as one transaction unless they say otherwise. Returns the last result.
    @discardableResult
    public func run(_ script: String) throws(PostgresError) -> PostgresRows {
        try handle.send(script, nil)
        return try finish(script)
    }

    /// The names of the columns that one statement gives, in order, without running it; empty where it gives no rows. Throws
    /// what is wrong with the statement: Postgres plans it against the tables as they are.
    public func columns(of sql: String) throws(PostgresError) -> [String] {
        try handle.prepare("", sql)
        _ = try finish(sql)
        try handle.describe("")
        return try finish(sql).columns
    }

    /// Streams `bytes` into `statement`, a `COPY … FROM STDIN`, and returns the number of rows copied.
    @discardableResult
    public func copy(_ statement: String, _ bytes: UnsafeRawBufferPointer) throws(PostgresError) -> Int {
        let deadline = SystemClock.monotonicMicroseconds() + patience
        try beginCopy(statement, PGRES_COPY_IN, until: deadline)
        // libpq copies what it is given, so hand it over in pieces and let each go to the kernel first.
        var sent = 0
        while sent < bytes.count {
            let piece = UnsafeRawBufferPointer(rebasing: bytes[sent..<min(sent + 64 << 10, bytes.count)])
            let start = piece.baseAddress!.assumingMemoryBound(to: CChar.self)
            switch PQputCopyData(handle.pointer, start, Int32(piece.count)) {
            case 1: sent += piece.count
            case 0: break
            default: throw handle.error
            }
            try flush(until: deadline)
        }
        while true {
            switch PQputCopyEnd(handle.pointer, nil) {
            case 1: return try finish(statement, until: deadline).affected
            case 0: try flush(until: deadline)
            default: throw handle.error
            }
        }
    }

    /// Streams what `statement`, a `COPY … TO STDOUT`, gives: `write` gets a row at a time, valid during the call. Returns
    /// the number of rows copied. A call may take as long as rows keep coming. Where `write` throws, the rest is read and
    /// thrown away, and the connection stays good: a request to cancel could meet the statement after it.
    @discardableResult
    public func copyOut(_ statement: String, write: (UnsafeRawBufferPointer) throws -> Void) throws -> Int {
        try beginCopy(statement, PGRES_COPY_OUT, until: SystemClock.monotonicMicroseconds() + patience)
        var failure: (any Error)?
        var waitingSince = SystemClock.monotonicMicroseconds()
        while true {
            var row: UnsafeMutablePointer<CChar>?
            switch PQgetCopyData(handle.pointer, &row, 1) {
            case 0:
                try wait(for: POLLIN, until: waitingSince + patience, "waiting for Postgres")
                try handle.consume()
                waitingSince = SystemClock.monotonicMicroseconds()
            case -1:
                let copied = try finish(statement)
                if let failure { throw failure }
                return copied.affected
            case let count where count > 0:
                defer { PQfreemem(row) }
                if failure != nil { continue }
                do { try write(UnsafeRawBufferPointer(start: row, count: Int(count))) } catch { failure = error }
            default: throw handle.error
            }
        }
    }

    /// Sends a COPY, and reads that the server has begun it.
    private func beginCopy(
        _ statement: String, _ expected: ExecStatusType, until deadline: Int64
    ) throws(PostgresError) {
        try handle.send(statement, nil)
        try flush(until: deadline)
        guard let opening = try nextResult(until: deadline) else {
            throw PostgresError(.schema, "Postgres gave no answer to COPY")
        }
        let status = PQresultStatus(opening)
        let refusal = handle.error(of: opening)
        PQclear(opening)
        if let refusal {
            try drainResults(until: deadline)
            throw refusal
        }
        precondition(status == expected, "not a COPY of this direction: \(statement)")
    }

    /// Runs `body` between BEGIN and COMMIT, or ROLLBACK where it throws. `prologue` follows BEGIN in the same message:
    /// what `SET LOCAL` pins for the transaction, so that it holds behind a pool too. Where `.connection` is thrown and
    /// `body` had ended, the outcome is unknown.
    public func transaction<Result>(
        _ prologue: String = "", _ body: () throws(PostgresError) -> Result
    ) throws(PostgresError) -> Result {
        let result: Result
        do {
            try run("BEGIN; \(prologue)")
            result = try body()
        } catch {
            // The first error is the one to report; a connection on which even this fails is thrown away anyway. One that
            // does not answer is not asked again.
            let answers = error.kind != .connection && error.kind != .interrupted
            if answers, PQtransactionStatus(handle.pointer) != PQTRANS_IDLE { _ = try? run("ROLLBACK") }
            throw error
        }
        let tag = try run("COMMIT").tag
        guard tag == "COMMIT" else { throw PostgresError(.schema, "Postgres answered COMMIT with \(tag)") }
        return result
    }

    /// Whether the connection, idle, still stands; reads what the server may have said meanwhile.
    public var isAlive: Bool {
        // What the server said last is read before the end of the connection is.
        while !handle.isBroken {
            var watched = pollfd(fd: handle.socket, events: Int16(POLLIN), revents: 0)
            guard poll(&watched, 1, 0) > 0 else { return true }
            if (try? handle.consume()) == nil { return false }
        }
        return false
    }

    private func finish(_ what: String, until deadline: Int64? = nil) throws(PostgresError) -> PostgresRows {
        let deadline = deadline ?? SystemClock.monotonicMicroseconds() + patience
        try flush(until: deadline)
        var last: PostgresRows?
        var refusal: PostgresError?
        while let result = try nextResult(until: deadline) {
            precondition(PQresultStatus(result) != PGRES_COPY_IN, "a COPY needs copy(_:_:): \(what)")
            refusal = refusal ?? handle.error(of: result)
            last = PostgresRows(result)
        }
        if let refusal { throw refusal }
        guard let last else { throw handle.error }
        return last
    }

    private func drainResults(until deadline: Int64) throws(PostgresError) {
        while let result = try nextResult(until: deadline) { PQclear(result) }
    }

    private func nextResult(until deadline: Int64) throws(PostgresError) -> OpaquePointer? {
        while PQisBusy(handle.pointer) != 0 {
            try wait(for: POLLIN, until: deadline, "waiting for Postgres")
            try handle.consume()
        }
        return PQgetResult(handle.pointer)
    }

    private func flush(until deadline: Int64) throws(PostgresError) {
        while try !handle.flush() {
            // The server may want to say something before it reads on.
            try wait(for: POLLIN | POLLOUT, until: deadline, "waiting for Postgres")
            try handle.consume()
        }
    }

    private func wait(for events: Int32, until deadline: Int64, _ activity: String) throws(PostgresError) {
        if cutOff.wait(socket: handle.socket, events: events, deadline: deadline) { return }
        throw Self.overdue(cutOff, activity)
    }

    private static func isCutOff(_ cutOff: PostgresCutOff) -> Bool {
        SystemClock.monotonicMicroseconds() >= cutOff.deadline
    }

    /// Why a wait ended without its event.
    private static func overdue(_ cutOff: PostgresCutOff, _ activity: String) -> PostgresError {
        isCutOff(cutOff)
            ? PostgresError(.interrupted, "stopped while \(activity)")
            : PostgresError(.connection, "no answer in time while \(activity)")
    }
}

/// `name` as SQL takes it literally.
public func quotedIdentifier(_ name: String) -> String {
    "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
}

/// `text` as an SQL string literal, whatever `standard_conforming_strings` says.
public func quotedLiteral(_ text: String) -> String {
    let escaped = text.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\\\")
    return "E'" + escaped.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
}
