// The real nginx and HAProxy with the files of config/, in which only addresses and paths are replaced.

import DroverClient
import Foundation
import LocalServers
import Testing

/// Which load balancer stands in front.
enum ProxyKind: String, CaseIterable {
    case nginx, haproxy

    var program: String { "/usr/sbin/\(rawValue)" }
}

/// A file of this repository.
enum ConfigFile {
    /// Its text; `path` is relative to the repository's root.
    static func text(_ path: String) throws -> String {
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        return try String(contentsOfFile: root.appendingPathComponent(path).path, encoding: .utf8)
    }

    static func path(_ path: String) -> String {
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        return root.appendingPathComponent(path).path
    }
}

/// A load balancer in front of two gateways; gone when it is. Its port changes with nothing.
final class RunningProxy {
    let kind: ProxyKind
    let port: Int
    private let directory: TemporaryDirectory
    private let process: ChildProcess

    init(_ kind: ProxyKind, _ first: RunningGateway, _ second: RunningGateway) throws {
        self.kind = kind
        port = try ByteStream.freePort()
        directory = try TemporaryDirectory(prefix: "dp")
        let place = directory.path
        let gateways = [("127.0.0.1:8081", "127.0.0.1:\(first.port)"), ("127.0.0.1:8082", "127.0.0.1:\(second.port)")]
        let command: [String]
        switch kind {
        case .nginx:
            try Self.write(
                "config/nginx/drover.conf", to: "\(place)/drover.conf",
                gateways + [
                    ("    listen 80;\n", "    listen 127.0.0.1:\(port);\n"), ("/var/log/nginx/", "\(place)/"),
                ])
            // Where it keeps bodies: Debian's place belongs to a system's nginx.
            let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map { "    \($0)_temp_path \(place)/\($0);\n" }.joined()
            try Self.write(
                "config/nginx/nginx.conf", to: "\(place)/nginx.conf",
                [
                    ("/run/nginx.pid", "\(place)/nginx.pid"), ("/etc/nginx/conf.d/*.conf", "\(place)/drover.conf"),
                    ("http {\n", "http {\n" + temporary),
                ])
            command = ["-e", "stderr", "-c", "\(place)/nginx.conf", "-g", "daemon off;"]
        case .haproxy:
            try Self.write(
                "config/haproxy/drover.cfg", to: "\(place)/drover.cfg",
                gateways + [
                    ("\n    bind :80\n", "\n    bind 127.0.0.1:\(port)\n"),
                    ("log /dev/log local0", "log stdout format raw local0"),
                    // As many descriptors as a test's shell has.
                    ("maxconn 100000", "maxconn 2000"),
                    ("stats socket /run/haproxy/admin.sock", "stats socket \(place)/admin.sock"),
                ])
            // A supervisor in the foreground.
            command = ["-W", "-db", "-f", "\(place)/drover.cfg"]
        }
        process = try ChildProcess([kind.program] + command, output: .file("\(place)/output.log"))
        try eventually("\(kind) serves: \(process.output())") {
            guard process.isRunning else { throw StreamEnded(description: "\(kind) has ended: \(process.output())") }
            return (try? self.http("GET", "/healthz").status) == 200
        }
    }

    deinit {
        // Fast for both: open sockets are cut.
        process.signal(SIGTERM)
        process.wait(.seconds(5))
        process.terminate(signal: SIGKILL)
        directory.remove()
    }

    /// Everything it has written: its output, and its logs.
    var logs: String {
        let files = ["drover-access.log", "drover-error.log"].map { "\(directory.path)/\($0)" }
        return files.compactMap { try? String(contentsOfFile: $0, encoding: .utf8) }.joined() + process.output()
    }

    func http(
        _ method: String, _ target: String, token: String? = nil, headers: [(String, String)] = [], body: String? = nil
    ) throws -> HTTPResponse {
        let credential = token.map { [("Authorization", "Bearer \($0)")] } ?? []
        return try HTTPClient.request(
            method, "http://127.0.0.1:\(port)\(target)",
            headers: (credential + headers).map { (name: $0.0, value: $0.1) }, body: body)
    }

    /// A request from 127.0.0.x, with its headers as lines.
    func raw(_ request: String, headers: [String] = [], body: String = "", from source: UInt8 = 1) throws -> RawReply {
        let stream = try ByteStream(port: port, from: source)
        let length = body.isEmpty ? [] : ["Content-Length: \(body.utf8.count)"]
        let lines = ["\(request) HTTP/1.1", "Host: track.example.com", "Connection: close"] + headers + length
        stream.send(lines.map { $0 + "\r\n" }.joined() + "\r\n" + body)
        return try #require(try stream.takeReply(), "\(kind) answers \(request)")
    }

    /// A WebSocket to a gateway, greeted.
    func webSocket(_ path: String, token: String, subprotocol: String) throws -> WebSocketProbe {
        let socket = try WebSocketProbe(port: port, path, token: token, subprotocols: subprotocol)
        try #require(socket.reply.status == 101, "\(socket.reply)")
        _ = try socket.json(with: "hello")
        return socket
    }

    /// Reads its files again as a deploy would have it.
    func reload() {
        process.signal(kind == .nginx ? SIGHUP : SIGUSR2)
    }

    /// HAProxy's administration: a command and its answer.
    func administer(_ command: String) throws -> String {
        let stream = try ByteStream(path: "\(directory.path)/admin.sock")
        stream.send(command + "\n")
        var answer = ""
        while let line = try stream.takeLine() { answer += line + "\n" }
        return answer
    }

    /// Copies a file of the repository with replacements, each of which must be of use.
    private static func write(_ source: String, to path: String, _ replacements: [(String, String)]) throws {
        var text = try ConfigFile.text(source)
        for (old, new) in replacements {
            try #require(text.contains(old), "\(source) has \(old)")
            text = text.replacingOccurrences(of: old, with: new)
        }
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }
}
