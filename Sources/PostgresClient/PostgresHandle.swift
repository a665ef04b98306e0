/// The C handle that both kinds of connection stand on: started, driven and ended without ever blocking.
import CPostgres

/// Owner of one `PGconn`; `PQfinish` at the end. One thread.
struct PostgresHandle: ~Copyable {
    let pointer: OpaquePointer
    private let address: PostgresAddress

    private init(_ pointer: OpaquePointer, _ address: PostgresAddress) {
        self.pointer = pointer
        self.address = address
    }

    /// Begins to connect, to one of `servers` where the address names several. Throws only where memory is short or the
    /// address is nonsense.
    static func start(
        at address: PostgresAddress, _ servers: ArraySlice<PostgresServer>
    ) throws(PostgresError) -> PostgresHandle {
        guard let pointer = address.withConnectionParameters(servers, { PQconnectStartParams($0, $1, 1) }) else {
            throw PostgresError(.connection, "no memory for a connection to Postgres")
        }
        let handle = PostgresHandle(pointer, address)
        PQsetErrorVerbosity(pointer, PQERRORS_VERBOSE)
        // Notices would go to standard error by themselves.
        PQsetNoticeReceiver(pointer, { _, _ in }, nil)
        if handle.isBroken { throw handle.error }
        return handle
    }

    deinit {
        PQfinish(pointer)
    }

    /// What libpq says is wrong now.
    var error: PostgresError { PostgresError(connection: pointer, redacting: address) }

    /// The socket, which may be another after each step of connecting; negative where there is none.
    var socket: Int32 { PQsocket(pointer) }

    /// Whether the connection is known to be dead.
    var isBroken: Bool { PQstatus(pointer) == CONNECTION_BAD }

    /// Queues a statement. With parameters it is one statement; without, it may be several with semicolons. `binary` asks
    /// for values in their types' binary form; it needs parameters.
    func send(_ sql: String, _ parameters: [String?]?, binary: Bool = false) throws(PostgresError) {
        let sent =
            if let parameters {
                withCStrings(parameters) {
                    PQsendQueryParams(pointer, sql, Int32(parameters.count), nil, $0, nil, nil, binary ? 1 : 0)
                }
            } else {
                PQsendQuery(pointer, sql)
            }
        if sent == 0 { throw error }
    }

    /// Queues the preparation of a statement under a name that this connection has not used yet.
    func prepare(_ name: String, _ sql: String) throws(PostgresError) {
        if PQsendPrepare(pointer, name, sql, 0, nil) == 0 { throw error }
    }

    /// Queues the question what a prepared statement takes and gives.
    func describe(_ name: String) throws(PostgresError) {
        if PQsendDescribePrepared(pointer, name) == 0 { throw error }
    }

    /// Queues a prepared statement.
    func execute(_ name: String, _ parameters: [String?]) throws(PostgresError) {
        let sent = withCStrings(parameters) {
            PQsendQueryPrepared(pointer, name, Int32(parameters.count), $0, nil, nil, 0)
        }
        if sent == 0 { throw error }
    }

    /// The next message of a channel that the connection listens to; nil where none has come.
    func notification() -> (channel: String, payload: String)? {
        guard let message = PQnotifies(pointer) else { return nil }
        defer { PQfreemem(message) }
        return (String(cString: message.pointee.relname), String(cString: message.pointee.extra))
    }

    /// Whether everything queued has been handed to the kernel.
    func flush() throws(PostgresError) -> Bool {
        switch PQflush(pointer) {
        case 0: return true
        case 1: return false
        default: throw error
        }
    }

    /// Reads what the kernel has.
    func consume() throws(PostgresError) {
        if PQconsumeInput(pointer) == 0 { throw error }
    }

    /// The error of a result, or nil; `result` stays the caller's.
    func error(of result: OpaquePointer) -> PostgresError? {
        switch PQresultStatus(result) {
        case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE, PGRES_NONFATAL_ERROR:
            PostgresError(result: result, redacting: address)
        default: nil
        }
    }
}
