/// The way along the servers of an address, when some of them do not answer.
///
/// libpq tries them in order and goes on where one refuses or is not of the kind that `target_session_attrs` asks for. But
/// driven without blocking it knows no deadline: at a machine that is gone without a word it would stay for ever, and so
/// would each attempt after it. So each server has a time, and where that is over the attempt begins anew behind it.
import CPostgres
import EventLoop

/// One server of an address that names several.
struct PostgresServer: Sendable, Equatable {
    /// libpq's default, which an empty port stands for.
    static let defaultPort = "5432"

    /// A name or a socket's directory; empty where only the address is given.
    let host: String
    /// A numeric address; empty where only the name is given.
    let address: String
    let port: String

    /// What `PQhost` says while libpq is at it.
    var name: String { host.isEmpty ? address : host }
}

/// One attempt to connect. One thread.
struct ServerWalk {
    private let address: PostgresAddress
    /// Those still to be tried, where the address names several.
    private var left: ArraySlice<PostgresServer>
    /// Where libpq is.
    private var present = ""
    /// How long one server may take, in milliseconds.
    let limitMilliseconds: Int
    /// When the present one has taken too long, in monotonic microseconds.
    private(set) var deadline: Int64 = 0

    /// `limitMilliseconds` where the address says nothing of it.
    init(_ address: PostgresAddress, limitMilliseconds: Int? = nil) {
        self.address = address
        left = address.servers[...]
        self.limitMilliseconds = limitMilliseconds ?? address.connectMilliseconds
    }

    /// Begins to connect to those that are left.
    mutating func begin() throws(PostgresError) -> PostgresHandle {
        let handle = try PostgresHandle.start(at: address, left)
        present = handle.serverName
        deadline = SystemClock.monotonicMicroseconds() + Int64(limitMilliseconds) * 1_000
        return handle
    }

    /// To be called after each step; true where libpq has gone on to another server, which has its own time.
    mutating func hasGoneOn(_ handle: borrowing PostgresHandle) -> Bool {
        let name = handle.serverName
        guard name != present else { return false }
        present = name
        deadline = SystemClock.monotonicMicroseconds() + Int64(limitMilliseconds) * 1_000
        return true
    }

    /// The present server's time is over: leaves it and those before it out; false where none is left.
    mutating func skip() -> Bool {
        guard let index = left.firstIndex(where: { "\($0.name):\($0.port)" == present }) else { return false }
        left = left[(index + 1)...]
        return !left.isEmpty
    }
}

extension PostgresHandle {
    /// The server that libpq is at, `host:port`.
    fileprivate var serverName: String {
        let host = PQhost(pointer).map { String(cString: $0) } ?? ""
        let port = PQport(pointer).map { String(cString: $0) } ?? ""
        return "\(host):\(port.isEmpty ? PostgresServer.defaultPort : port)"
    }
}
