/// Where a gateway listens: parsed and resolved once, used for thousands of connections.
import Glibc

/// A gateway's address: `http://HOST:PORT[/PREFIX]` or the same with `ws:`. Plain only; put a TLS proxy in front of
/// gateways that are not on this machine or in a trusted network.
public struct Endpoint: Sendable, CustomStringConvertible {
    /// The host as written, without brackets.
    public let host: String
    /// The TCP port; 80 where the address names none.
    public let port: UInt16
    /// The path and query as written, or empty.
    public let path: String
    /// The socket address in the kernel's form.
    let socketAddress: [UInt8]
    let family: Int32

    /// Parses `text` and looks its host up, which may take the resolver's time for anything but a numeric address.
    public init(_ text: String) throws(DroverClientError) {
        guard let separator = text.firstRange(of: "://") else {
            throw .badAddress(text, problem: "it names no scheme")
        }
        let scheme = text[..<separator.lowerBound]
        guard scheme == "http" || scheme == "ws" else {
            throw .badAddress(text, problem: "its scheme is `\(scheme)`, and only http and ws are spoken")
        }
        let rest = text[separator.upperBound...]
        let authorityEnd = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        path = String(rest[authorityEnd...])
        (host, port) = try Self.split(rest[..<authorityEnd], of: text)
        (socketAddress, family) = try Self.resolve(host, port, text)
    }

    /// The same host with another path.
    public func with(path: String) -> Endpoint {
        Endpoint(host: host, port: port, path: path, socketAddress: socketAddress, family: family)
    }

    /// The path below this endpoint's own prefix, `/v1/ingest` for instance.
    func appending(_ suffix: String) -> Endpoint {
        with(path: (path.hasSuffix("/") ? String(path.dropLast()) : path) + suffix)
    }

    private init(host: String, port: UInt16, path: String, socketAddress: [UInt8], family: Int32) {
        self.host = host
        self.port = port
        self.path = path
        self.socketAddress = socketAddress
        self.family = family
    }

    /// `HOST:PORT` as the Host header has it.
    public var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// The address without its query, which may hold a credential.
    public var description: String { "http://\(authority)\(path.prefix { $0 != "?" })" }

    private static func split(
        _ authority: Substring, of text: String
    ) throws(DroverClientError) -> (String, UInt16) {
        guard !authority.contains("@") else {
            throw .badAddress("an address with a user name", problem: "credentials do not belong in it")
        }
        var host = authority
        var portText: Substring?
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            host = authority[authority.index(after: authority.startIndex)..<end]
            let after = authority[authority.index(after: end)...]
            guard after.isEmpty || after.hasPrefix(":") else { throw .badAddress(text, problem: "its port is unclear") }
            portText = after.isEmpty ? nil : after.dropFirst()
        } else if let colon = authority.lastIndex(of: ":") {
            host = authority[..<colon]
            portText = authority[authority.index(after: colon)...]
        }
        guard !host.isEmpty else { throw .badAddress(text, problem: "it names no host") }
        guard let portText else { return (String(host), 80) }
        guard let port = UInt16(portText), port > 0 else {
            throw .badAddress(text, problem: "`\(portText)` is not a port from 1 to 65535")
        }
        return (String(host), port)
    }

    private static func resolve(
        _ host: String, _ port: UInt16, _ text: String
    ) throws(DroverClientError) -> ([UInt8], Int32) {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0, let first = list else {
            throw .cannotReach(text, reason: String(cString: gai_strerror(code)))
        }
        defer { freeaddrinfo(list) }
        let bytes = UnsafeRawBufferPointer(start: first.pointee.ai_addr, count: Int(first.pointee.ai_addrlen))
        return (Array(bytes), first.pointee.ai_family)
    }
}
