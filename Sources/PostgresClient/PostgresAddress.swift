/// Where a Postgres is, as libpq reads it, and how to speak of it without its password.
import CPostgres

/// A connection string that libpq understands.
public struct PostgresAddress: Sendable, CustomStringConvertible {
    /// As given, password included: for libpq alone.
    let url: String
    /// Host, port, database and user.
    public let description: String
    private let secrets: [String]
    /// The servers in libpq's order, where the address names several; else empty.
    let servers: [PostgresServer]
    /// How long connecting to one server may take, in milliseconds: `connect_timeout`, else 3 s of several and 5 s of one.
    let connectMilliseconds: Int
    /// Whether the address names several servers, and whether it asks for one of them that takes writes.
    public var namesSeveral: Bool { servers.count > 1 }
    /// See `namesSeveral`.
    public let asksForPrimary: Bool

    /// Reads a URI or keyword/value string. libpq's own words for what is wrong with it may quote the password, so they
    /// are not passed on.
    public init(_ url: String) throws(PostgresError) {
        guard let options = PQconninfoParse(url, nil) else {
            throw PostgresError(
                .schema, "the Postgres address is not one that libpq reads",
                advice:
                    "Write postgresql://user:password@host:5432/database or host=/run/postgresql dbname=database in "
                    + "DROVER_POSTGRES_URL.")
        }
        defer { PQconninfoFree(options) }
        var secrets: [String] = []
        var words: [String] = []
        var option = options
        var values: [String: String] = [:]
        while let keyword = option.pointee.keyword {
            defer { option += 1 }
            guard let value = option.pointee.val.map({ String(cString: $0) }), !value.isEmpty else { continue }
            values[String(cString: keyword)] = value
            switch String(cString: keyword) {
            case "password", "sslpassword": secrets.append(value)
            case "host", "hostaddr", "port", "dbname", "user": words.append("\(String(cString: keyword))=\(value)")
            default: break
            }
        }
        self.url = url
        self.secrets = secrets
        description = words.isEmpty ? "libpq's default address" : words.joined(separator: " ")
        servers = Self.servers(host: values["host"], address: values["hostaddr"], port: values["port"])
        asksForPrimary = ["read-write", "primary"].contains(values["target_session_attrs"])
        // libpq itself takes 1 for 2, and 0 and less for no limit, which none of our callers could wait for.
        let seconds = values["connect_timeout"].flatMap { Int($0) } ?? 0
        connectMilliseconds = seconds > 0 ? max(2, min(seconds, 600)) * 1_000 : servers.isEmpty ? 5_000 : 3_000
    }

    /// Lists between commas, of which that of ports may have one for all. Empty for a single server, and where the lists do
    /// not go together: libpq says so itself.
    private static func servers(host: String?, address: String?, port: String?) -> [PostgresServer] {
        func list(_ text: String?) -> [String] {
            text?.split(separator: ",", omittingEmptySubsequences: false).map(String.init) ?? []
        }
        let (hosts, addresses, ports) = (list(host), list(address), list(port))
        let count = max(hosts.count, addresses.count)
        guard count > 1, hosts.isEmpty || hosts.count == count, addresses.isEmpty || addresses.count == count,
            ports.count <= 1 || ports.count == count, !hosts.contains(""), !addresses.contains("")
        else { return [] }
        return (0..<count).map { index in
            let port = ports.count > 1 ? ports[index] : ports.first ?? ""
            return PostgresServer(
                host: hosts.isEmpty ? "" : hosts[index], address: addresses.isEmpty ? "" : addresses[index],
                port: port.isEmpty ? PostgresServer.defaultPort : port)
        }
    }

    /// `text` on one line, without a password.
    func redact(_ text: String) -> String {
        let lines = text.split(whereSeparator: \.isNewline).map { line in
            String(line.drop(while: \.isWhitespace))
        }
        var result = lines.joined(separator: "; ")
        for secret in secrets {
            result = result.split(separator: secret, omittingEmptySubsequences: false).joined(separator: "***")
        }
        while result.last == "." { result.removeLast() }
        return result
    }

    /// Calls `body` with keywords and values for `PQconnectStartParams`. What stands behind `dbname`, the address itself,
    /// could not be changed by it; what stands before is a default. `left` are the servers to try, where not all of them.
    func withConnectionParameters<Result>(
        _ left: ArraySlice<PostgresServer>,
        _ body: (UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<UnsafePointer<CChar>?>) -> Result
    ) -> Result {
        var parameters: [(StaticString, String)] = [
            ("fallback_application_name", "drover"),
            // A peer that is gone without a word is noticed by the kernel, in milliseconds and seconds.
            ("tcp_user_timeout", "10000"),
            ("keepalives_idle", "10"),
            ("keepalives_interval", "5"),
            ("keepalives_count", "3"),
            ("dbname", url),
            ("client_encoding", "UTF8"),
        ]
        if left.count < servers.count {
            // An empty value leaves the address as it is.
            parameters += [
                ("host", left.contains { $0.host.isEmpty } ? "" : left.map(\.host).joined(separator: ",")),
                ("hostaddr", left.contains { $0.address.isEmpty } ? "" : left.map(\.address).joined(separator: ",")),
                ("port", left.map(\.port).joined(separator: ",")),
            ]
        }
        var keywords = parameters.map {
            UnsafeRawPointer($0.0.utf8Start).assumingMemoryBound(to: CChar.self) as UnsafePointer<CChar>?
        }
        keywords.append(nil)
        return withCStrings(parameters.map { $0.1 }) { values in
            keywords.withUnsafeBufferPointer { body($0.baseAddress!, values) }
        }
    }
}

/// Calls `body` with a null-terminated array of C strings, valid during the call; a nil string is a null pointer.
func withCStrings<Result>(
    _ strings: [String?], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
    var bytes: [CChar] = []
    var offsets: [Int?] = []
    for string in strings {
        guard let string else {
            offsets.append(nil)
            continue
        }
        offsets.append(bytes.count)
        bytes.append(contentsOf: string.utf8.lazy.map { CChar(bitPattern: $0) })
        bytes.append(0)
    }
    return bytes.withUnsafeBufferPointer { buffer in
        var pointers = offsets.map { offset in offset.map { buffer.baseAddress! + $0 } }
        pointers.append(nil)
        return pointers.withUnsafeBufferPointer { body($0.baseAddress!) }
    }
}
