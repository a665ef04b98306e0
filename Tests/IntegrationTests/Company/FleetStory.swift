// Drivers who report through any of several gateways, and viewers spread over them, all on one loop.

import DroverClient
import EventLoop
import Foundation
import LocalServers
import Testing

/// Three hundred drivers, as many viewers, three gateways.
final class FleetStory {
    /// A round of one gateway's share, until it is acknowledged.
    private struct Share {
        let body: [UInt8]
        let count: Int
    }

    /// What a viewer watches and saw.
    private final class Viewer {
        let session: TrackSession
        var newest: [String: Int64] = [:]
        var disorder: [String] = []

        init(_ session: TrackSession) { self.session = session }
    }

    static let drivers = 300
    private static let viewers = 300
    private static let watched = 5
    private static let roundMilliseconds = 150

    let gateways: [RunningGateway]
    private let loop = EventLoop()
    private let network: ClientNetwork
    private let key: String
    private let clients: [HTTPClient]
    private var viewers: [Viewer] = []
    private var random: SplitMix
    private var round = 0
    private var last: Int64 = 0
    /// The fix time of the last round.
    var newest: Int64 { last }
    private var unacknowledged = 0
    private var timers: [LoopTimer] = []
    private(set) var refusals = 0

    init(_ gateways: [RunningGateway], key: String, seed: UInt64) throws {
        self.gateways = gateways
        self.key = key
        random = SplitMix(seed: seed)
        network = ClientNetwork(loop: loop)
        let network = network
        clients = try gateways.map { HTTPClient(network: network, endpoint: try Endpoint($0.address)) }
        for index in 0..<Self.viewers {
            let gateway = gateways[index % gateways.count]
            let session = TrackSession(network: network, gateway: try Endpoint(gateway.address), token: key)
            let viewer = Viewer(session)
            session.onPosition = { [unowned viewer] position, _, _ in
                if position.recordedAt < viewer.newest[position.driverID] ?? 0 {
                    viewer.disorder.append(position.driverID)
                }
                viewer.newest[position.driverID] = position.recordedAt
            }
            session.subscribe((0..<Self.watched).map { "driver:" + Self.name(index + 7 * $0) })
            viewers.append(viewer)
        }
    }

    static func name(_ index: Int) -> String { "van-\(index % drivers)" }

    /// Plays `rounds`; `event` is called with each round's number before it begins. Returns once everything is
    /// acknowledged.
    func play(rounds: Int, _ event: @escaping (Int) throws -> Void) throws {
        for viewer in viewers { viewer.session.connect() }
        var failure: (any Error)?
        let timer = LoopTimer(loop: loop) { [self] in
            do { try event(round) } catch { failure = error }
            if round < rounds { report() }
            round += 1
        }
        timers.append(timer)
        timer.start(afterMilliseconds: 500, everyMilliseconds: Self.roundMilliseconds)
        let deadline = Deadline(seconds: 150)
        while failure == nil, round <= rounds || unacknowledged > 0 {
            guard !deadline.isOver else {
                throw OutOfTime(description: "\(unacknowledged) shares are not acknowledged")
            }
            loop.runOnce()
        }
        timer.stop()
        if let failure { throw failure }
    }

    /// Waits until every viewer has seen the newest of each of its drivers.
    func awaitNewest() throws {
        let deadline = Deadline(seconds: 30)
        while let behind = viewers.firstIndex(where: { !isUpToDate($0) }) {
            guard !deadline.isOver else {
                let count = viewers.count { !isUpToDate($0) }
                throw OutOfTime(
                    description: "\(count) viewers do not end on the newest, \(last): \(viewers[behind].newest) of "
                        + "gateway \(behind % gateways.count)")
            }
            loop.runOnce()
        }
    }

    /// The drivers of which a viewer saw an older position after a newer one.
    var disorder: [String] { viewers.flatMap(\.disorder) }

    /// Closes what is open on the loop.
    func close() {
        for viewer in viewers { viewer.session.close() }
        for client in clients { client.close() }
        for timer in timers { timer.close() }
        for _ in 0..<10 { loop.runReady() }
    }

    private func isUpToDate(_ viewer: Viewer) -> Bool {
        viewer.newest.count == Self.watched && viewer.newest.values.allSatisfy { $0 == last }
    }

    /// Every driver reports once, each through some gateway.
    private func report() {
        last = max(now(), last + 1)
        let latitude = 43.65 + Double(round) * 1e-5
        var shares = gateways.map { _ in [TestPing]() }
        for driver in 0..<Self.drivers {
            let gateway = Int(random.next() % UInt64(gateways.count))
            shares[gateway].append(TestPing(Self.name(driver), at: last, latitude: latitude))
        }
        for (gateway, pings) in shares.enumerated() where !pings.isEmpty {
            unacknowledged += 1
            send(Share(body: Array(TestPing.array(pings).utf8), count: pings.count), to: gateway)
        }
    }

    /// What is not acknowledged is sent again, to another.
    private func send(_ share: Share, to gateway: Int) {
        let headers = [("Authorization", "Bearer \(key)"), ("Content-Type", "application/json")]
        let isQueued = clients[gateway].request(
            "POST", "/v1/pings", headers: headers.map { (name: $0.0, value: $0.1) }, body: share.body,
            milliseconds: 5_000
        ) { [self] outcome in
            if case .success(let response) = outcome, response.status == 200 {
                unacknowledged -= 1
                let reply = try? JSON(parsing: response.text)
                if let rejected = reply?["rejected"].array, !rejected.isEmpty {
                    Issue.record("rejected: \(rejected[0])")
                }
            } else {
                again(share)
            }
        }
        if !isQueued { again(share) }
    }

    private func again(_ share: Share) {
        refusals += 1
        let next = Int(random.next() % UInt64(gateways.count))
        let timer = LoopTimer(loop: loop) { [self] in send(share, to: next) }
        timer.start(afterMilliseconds: 50)
        timers.append(timer)
    }
}
