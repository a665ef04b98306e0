/// `drover demo`: private Redis and Postgres, a gateway as a process of its own, simulated vans, a line of figures.
import DroverClient
import EventLoop
import Foundation
import LocalServers

/// One demo from start to clean end.
public final class DemoCommand {
    private let drivers: Int
    private let seconds: Int?
    private let directory: TemporaryDirectory
    private let redis: LocalRedis
    private let postgres: LocalPostgres
    private let gateway: ChildProcess
    private let address: String
    private let key: String
    private let order: DemoOrder
    private let loop = EventLoop()
    private var handles: [LoopHandle] = []
    private var http: HTTPClient?
    private var elapsed = 0
    private let isTerminal = isatty(STDOUT_FILENO) == 1

    /// Starts the servers and the gateway, as so many workers. Throws what is missing.
    public init(port: Int, drivers: Int, workers: String, seconds: Int?) throws {
        self.drivers = drivers
        self.seconds = seconds
        print("starting private Redis and Postgres …")
        directory = try TemporaryDirectory(prefix: "drover-demo")
        redis = try LocalRedis.start()
        postgres = try LocalPostgres.start()
        try postgres.createDatabase("drover")
        let environment = [
            "DROVER_REDIS_URL": redis.url, "DROVER_POSTGRES_URL": postgres.url(database: "drover"),
            "DROVER_JOURNAL_DIRECTORY": directory.path + "/journal",
            "DROVER_HISTORY_ARCHIVE_DIRECTORY": directory.path + "/archive",
            // A taken port must not spoil the demo beside another one.
            "DROVER_LISTEN": "127.0.0.1:\(Self.isFree(port) ? port : 0)", "DROVER_WORKERS": workers,
        ]
        let configuration = try Configuration.load(file: nil, environment: environment)
        key = try KeyCommands(configuration).create(
            name: "demo",
            permissions: ["pings:write", "positions:read", "history:read", "assignments:write", "sessions:write"])
        gateway = try ChildProcess(
            [CommandLine.arguments[0], "serve"], environment: environment.mapValues { $0 })
        guard gateway.waitForOutput("port=", within: .seconds(20)), let bound = Self.port(in: gateway.output()) else {
            throw CommandError("the gateway did not start: \(gateway.output(last: 2_000))")
        }
        address = "http://127.0.0.1:\(bound)"
        order = try DemoOrder(gateway: address, key: key)
    }

    /// Runs until Ctrl-C or the given time, then removes everything. Returns the exit code.
    public func run() throws -> Int32 {
        defer { cleanUp() }
        print(
            """

            fleet map   \(address)/fleet#token=\(key)
            customer    \(order.mapURL) (an order that two vans hand over every \(DemoOrder.interval) s)
            rows        psql '\(postgres.url(database: "drover"))' -c 'TABLE active_driver_locations'
            hashes      redis-cli -s \(redis.url.dropFirst("unix://".count)) HGETALL driver:van-0001:location
            Ctrl-C ends it all.

            """)
        fflush(nil)
        let network = ClientNetwork(loop: loop)
        let simulation = try Simulation(
            loop: loop, options: Simulation.Options(gateway: address, token: key, drivers: drivers))
        http = HTTPClient(network: network, endpoint: try Endpoint(address))
        for number in [SIGINT, SIGTERM] {
            handles.append(LoopSignal(loop: loop, number: number) { [self] in end(simulation) })
        }
        let timer = LoopTimer(loop: loop) { [self] in everySecond(simulation) }
        timer.start(afterMilliseconds: 1_000, everyMilliseconds: 1_000)
        handles.append(timer)
        simulation.start()
        loop.run()
        if isTerminal { print() }
        return simulation.total.acknowledged > 0 ? 0 : 1
    }

    private func everySecond(_ simulation: Simulation) {
        elapsed += 1
        if let seconds, elapsed >= seconds { return end(simulation) }
        guard gateway.isRunning else {
            print("the gateway has ended: \(gateway.output(last: 2_000))")
            return end(simulation)
        }
        order.handOver(second: elapsed, over: http)
        let interval = simulation.takeInterval()
        let milliseconds =
            interval.acknowledgements.count == 0 ? 0 : interval.acknowledgements.milliseconds(percentile: 99)
        http?.request("GET", "/metrics") { [self] outcome in
            guard case .success(let response) = outcome else { return }
            let lag = Self.value(of: "drover_history_lag_records", in: response.text)
            let rows = Self.value(of: "drover_history_rows_total{outcome=\"inserted\"}", in: response.text)
            let behind = Self.value(of: "drover_history_commit_lag_seconds", in: response.text)
            let line =
                "pings \(interval.sent)/s · acknowledged p99 \(String(format: "%.1f", milliseconds)) ms · rows \(Int(rows)) · "
                + "lag \(Int(lag)) records, \(String(format: "%.2f", behind)) s"
            print(isTerminal ? "\r\u{1B}[K\(line)" : line, terminator: isTerminal ? "" : "\n")
            fflush(nil)
        }
    }

    private func end(_ simulation: Simulation) {
        guard !handles.isEmpty else { return }
        for handle in handles { handle.close() }
        handles = []
        http?.close()
        simulation.stop()
    }

    private func cleanUp() {
        gateway.terminate()
        redis.stop()
        postgres.stop()
        postgres.remove()
        directory.remove()
    }

    private static func value(of metric: String, in text: String) -> Double {
        for line in text.split(separator: "\n") where line.hasPrefix(metric + " ") {
            return Double(line.dropFirst(metric.count + 1)) ?? 0
        }
        return 0
    }

    private static func port(in output: String) -> Int? {
        output.components(separatedBy: "port=").dropFirst().first.flatMap { Int($0.prefix { $0.isNumber }) }
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
