/// One viewer of many drivers, in a process of its own, so that it costs the generator nothing. It asks for as few writes as
/// it can, so that its gateway's CPU is the bus's.
import ArgumentParser
import DroverClient
import EventLoop
import Glibc

/// Started by `drover-bench workers`.
struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch the first drivers of a fleet until it is ended.", shouldDisplay: false)

    @Option var port: Int
    @Option var token: String
    @Option var drivers: Int

    /// Client frames are at most 16 KiB.
    private static let subjectsPerFrame = 700

    func run() throws {
        let network = ClientNetwork()
        let socket = WebSocketClient(
            network: network, endpoint: try Endpoint("http://127.0.0.1:\(port)/v1/track"),
            options: WebSocketClient.Options(
                subprotocols: ["drover.v1"], headers: [(name: "Authorization", value: "Bearer \(token)")]))
        let frames = (drivers + Self.subjectsPerFrame - 1) / Self.subjectsPerFrame
        var answered = false
        socket.onOpen = {
            for frame in 0..<frames {
                let numbers = frame * Self.subjectsPerFrame..<min(drivers, (frame + 1) * Self.subjectsPerFrame)
                let names = numbers.map { "\"driver:\(PingTemplate.driverName($0))\"" }.joined(separator: ",")
                _ = socket.send("{\"id\":\(frame + 1),\"subscribe\":[\(names)],\"max_rate_hz\":1}")
            }
        }
        socket.onText = { bytes in
            guard !answered else { return }
            let text = String(decoding: bytes.prefix(40), as: UTF8.self)
            if text.contains("\"error\"") { print(text) }
            guard text.contains("{\"id\":\(frames),") else { return }
            answered = true
            print("ready")
            fflush(nil)
        }
        socket.onClose = { closure in
            print("closed: \(closure)")
            network.stop()
        }
        socket.connect()
        network.run()
    }
}
