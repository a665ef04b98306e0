// Two gateways over the same stores behind a load balancer, and what goes through it.

import DroverClient
import Foundation
import LocalServers
import Testing

/// The gateways, what stands in front of them, and a key for everything.
struct ProxyScene {
    let first: RunningGateway
    let second: RunningGateway
    let proxy: RunningProxy
    let key: String

    init(_ kind: ProxyKind, settings: [String: String] = [:], ownPostgres: Bool = false) throws {
        let common = [
            "web.trusted_proxies": "127.0.0.1", "limits.exempt_addresses": "", "limits.key_requests_per_s": "0",
            "limits.address_requests_per_s": "0",
        ]
        first = try RunningGateway(ownPostgres: ownPostgres, settings: common.merging(settings) { $1 })
        key = try first.masterKey()
        second = try RunningGateway(beside: first)
        for gateway in [first, second] { try gateway.awaitStores() }
        proxy = try RunningProxy(kind, first, second)
    }

    var gateways: [RunningGateway] { [first, second] }

    /// A ping through the load balancer; the reply's status.
    func post(_ ping: TestPing) throws -> Int {
        try proxy.http("POST", "/v1/pings", token: key, body: TestPing.array([ping])).status
    }

    /// The same ping to both gateways, so that whoever watches through either is shown it.
    func report(_ ping: TestPing) throws {
        for gateway in gateways where gateway.process?.isRunning == true { try gateway.post([ping], token: key) }
    }

    func viewer(_ subjects: String...) throws -> ProxyViewer {
        let socket = try proxy.webSocket("/v1/track", token: key, subprotocol: "drover.v1")
        let names = subjects.map { "\"\($0)\"" }.joined(separator: ",")
        socket.send("{\"id\":1,\"subscribe\":[\(names)]}")
        _ = try socket.json(with: "subscribed")
        return ProxyViewer(socket)
    }

    /// As many viewers as gateways, each on another one.
    func viewerOfEach(_ subjects: String...) throws -> [ProxyViewer] {
        var viewers: [ProxyViewer] = []
        try eventually("each gateway has a viewer") {
            let names = subjects.map { "\"\($0)\"" }.joined(separator: ",")
            let socket = try proxy.webSocket("/v1/track", token: key, subprotocol: "drover.v1")
            socket.send("{\"id\":1,\"subscribe\":[\(names)]}")
            _ = try socket.json(with: "subscribed")
            viewers.append(ProxyViewer(socket))
            return try gateways.allSatisfy { try $0.metric("drover_viewers") > 0 }
        }
        return viewers
    }
}

/// A viewer that is read whenever there is something.
final class ProxyViewer {
    let socket: WebSocketProbe
    /// Newest fix by driver.
    private(set) var newest: [String: Int64] = [:]

    init(_ socket: WebSocketProbe) {
        self.socket = socket
    }

    /// Whether it was shown a fix of a driver, or a newer one.
    func hasSeen(_ driver: String, _ recordedAt: Int64) throws -> Bool {
        while socket.stream.hasInput {
            let frame: JSON
            do {
                frame = try socket.json(within: 1)
            } catch is OutOfTime {
                // It was a ping, which is answered, and no frame behind it.
                break
            }
            for position in frame["positions"].array {
                guard let name = position["driver_id"].string, let at = position["recorded_at"].integer else {
                    continue
                }
                newest[name] = max(newest[name] ?? 0, at)
            }
        }
        return newest[driver] ?? 0 >= recordedAt
    }
}
