// A headless Chromium, and one connection to it that speaks the DevTools protocol
// (https://chromedevtools.github.io/devtools-protocol/).

import DroverClient
import EventLoop
import Foundation
import LocalServers
import Testing

/// Debian's Chromium, started once for all tests; gone with the process.
private enum SharedChromium {
    struct Running: Sendable {
        let process: ChildProcess
        let address: String
    }

    static let running = Result { try start() }

    private static func start() throws -> Running {
        let directory = try TemporaryDirectory(prefix: "dc")
        let process = try ChildProcess(
            [
                "chromium", "--headless=new", "--user-data-dir=\(directory.path)", "--remote-debugging-port=0",
                // Root, as in containers, cannot be sandboxed further; /dev/shm may be tiny there.
                "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
                // It calls home for none of these, and pages that nobody looks at run as fast as others.
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows",
                "--disable-renderer-backgrounding", "about:blank",
            ], diesWithUs: "KILL", endSignal: SIGTERM)
        var lines: [Substring] = []
        try eventually("Chromium names its port") {
            guard process.isRunning else {
                throw OutOfTime(description: "Chromium has ended; run config/setup --tests. \(process.output())")
            }
            let text = try? String(contentsOfFile: "\(directory.path)/DevToolsActivePort", encoding: .utf8)
            lines = text?.split(separator: "\n") ?? []
            return lines.count == 2
        }
        return Running(process: process, address: "ws://127.0.0.1:\(lines[0])\(lines[1])")
    }
}

/// The protocol's connection, on a loop of its own that runs while somebody waits. Not `Sendable`.
final class Browser {
    let loop = EventLoop()
    /// What the browser tells without being asked: session, method, parameters.
    var onEvent: [String: (_ method: String, _ parameters: [String: Any]) -> Void] = [:]
    private let socket: WebSocketClient
    private var lastNumber = 0
    private var replies: [Int: [String: Any]] = [:]
    private var closure: WebSocketClosure?

    init() throws {
        let address = try SharedChromium.running.get().address
        socket = WebSocketClient(
            network: ClientNetwork(loop: loop), endpoint: try Endpoint(address),
            options: .init(maximumMessageBytes: 64 << 20))
        socket.onText = { [unowned self] in receive(Data($0)) }
        socket.onClose = { [unowned self] in closure = $0 }
        socket.connect()
        try wait("Chromium takes the connection") { socket.isOpen }
    }

    /// Ends the connection; to be called before this is let go of.
    func close() {
        socket.close()
        try? wait("the connection ends") { closure != nil }
    }

    /// Runs the loop until `condition` holds.
    func wait(_ what: @autoclosure () -> String, _ condition: () throws -> Bool) throws {
        let deadline = SystemClock.monotonicMicroseconds() + Int64(patience) * 1_000_000
        let alarm = LoopTimer(loop: loop) {}
        alarm.start(afterMilliseconds: 10, everyMilliseconds: 10)
        defer { alarm.close() }
        while try !condition() {
            if let closure { throw OutOfTime(description: "Chromium's connection is over (\(closure)): \(what())") }
            guard SystemClock.monotonicMicroseconds() < deadline else {
                throw OutOfTime(description: "not within \(patience) s: \(what())")
            }
            loop.runOnce()
        }
    }

    /// Runs the loop for one round of what comes next, 10 ms at most.
    func runBriefly() {
        let alarm = LoopTimer(loop: loop) {}
        alarm.start(afterMilliseconds: 10)
        loop.runOnce()
        alarm.close()
    }

    /// Asks the browser, or the page of a session, and gives its answer's `result`.
    @discardableResult
    func call(_ method: String, _ parameters: [String: Any] = [:], session: String? = nil) throws -> [String: Any] {
        lastNumber += 1
        let number = lastNumber
        var message: [String: Any] = ["id": number, "method": method, "params": parameters]
        if let session { message["sessionId"] = session }
        let data = try JSONSerialization.data(withJSONObject: message)
        try #require(data.withUnsafeBytes { socket.send($0) }, "\(method) is sent")
        try wait("an answer to \(method)") { replies[number] != nil }
        let reply = replies.removeValue(forKey: number) ?? [:]
        if let error = reply["error"] { throw DevToolsError(description: "\(method): \(error)") }
        return reply["result"] as? [String: Any] ?? [:]
    }

    private func receive(_ data: Data) {
        guard let message = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else { return }
        if let number = message["id"] as? Int {
            replies[number] = message
        } else if let method = message["method"] as? String, let session = message["sessionId"] as? String {
            onEvent[session]?(method, message["params"] as? [String: Any] ?? [:])
        }
    }
}

/// The browser refused a call, or a page's script threw.
struct DevToolsError: Error, CustomStringConvertible {
    let description: String
}
