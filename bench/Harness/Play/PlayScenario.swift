/// What a scenario file says, checked.

struct PlayScenario {
    var name: String
    var about: String
    /// Devices POST instead of sending frames on a WebSocket.
    var isOverHTTP: Bool
    /// Settings of a gateway that the harness starts: `DROVER_…`.
    var gateway: [String: String]
    var plan: LoadPlan

    /// A process may have 20,000 descriptors on the machines this is made for, the server's included.
    static let mostSockets = 15_000
    /// `bench-` and five digits.
    static let mostDrivers = 100_000

    init(file: String) throws(BenchError) { try self.init(ScenarioMap.read(file)) }
    init(text: String, file: String) throws(BenchError) { try self.init(ScenarioMap.parse(text, file: file)) }

    private init(_ map: ScenarioMap) throws(BenchError) {
        name = try map.text("name")
        about = try map.text("about", default: "")
        isOverHTTP = try map.choice("protocol", ["websocket", "http"], default: "websocket") == "http"
        gateway = try map.map("gateway").map { settings throws(BenchError) in try settings.texts() } ?? [:]
        if let variable = gateway.keys.sorted().first(where: { !$0.hasPrefix("DROVER_") }) {
            throw map.error("gateway", "holds environment variables that begin with DROVER_, not \(variable)")
        }
        var fleets: [FleetPlan] = []
        for entry in try map.list("devices") { fleets.append(try Self.fleet(entry)) }
        var audiences: [AudiencePlan] = []
        for entry in try map.list("viewers") { audiences.append(try Self.audience(entry)) }
        plan = LoadPlan(fleets: fleets, audiences: audiences)
        plan.profile.ramp = try map.number("ramp_s", 0...600, default: 0)
        plan.profile.warmUp = try map.number("warm_up_s", 0...600, default: 2)
        plan.profile.steady = try map.number("steady_s", 0.5...3_600)
        plan.profile.drop = try map.number("drop_s", 0...600, default: 0)
        plan.flushAt = try map.number("flush_at_s", 0...600, default: 0)
        if let storm = try map.map("storm") {
            plan.storm = Storm(
                at: try storm.number("at_s", 0...600, default: 2), within: try storm.number("within_s", 0.1...600),
                devices: try storm.number("devices_share", 0...1, default: 1),
                viewers: try storm.number("viewers_share", 0...1, default: 1))
            try storm.finish()
        }
        plan.toleratesLosses = true
        try map.finish()
        try check(map)
    }

    private func check(_ map: ScenarioMap) throws(BenchError) {
        guard !plan.fleets.isEmpty else { throw map.error("devices", "is missing: a list of groups of drivers") }
        let drivers = plan.fleets.reduce(0) { $0 + $1.drivers }
        guard drivers <= Self.mostDrivers else {
            throw map.error("devices", "have \(drivers) drivers together; at most \(Self.mostDrivers)")
        }
        guard plan.sockets <= Self.mostSockets else {
            throw map.error("devices", "have \(plan.sockets) sockets together; at most \(Self.mostSockets)")
        }
        guard plan.viewers <= Self.mostSockets else {
            throw map.error("viewers", "are \(plan.viewers) together; at most \(Self.mostSockets)")
        }
        if let storm = plan.storm, storm.at >= plan.profile.steady {
            throw map.error("storm", "begins at \(storm.at) s, after the \(plan.profile.steady) s that are measured")
        }
    }

    private static func fleet(_ map: ScenarioMap) throws(BenchError) -> FleetPlan {
        var plan = FleetPlan()
        plan.drivers = try map.integer("drivers", 1...mostDrivers)
        plan.sockets = try map.integer("sockets", 1...mostSockets, default: min(plan.drivers, mostSockets))
        let rate = try map.number("rate_hz", 0.001...100)
        plan.pingsPerFrame = try map.integer("pings_per_frame", 1...500, default: 1)
        plan.pingsPerSecond = rate * Double(plan.drivers)
        if let backlog = try map.map("backlog") {
            plan.backlog = FleetPlan.Backlog(
                seconds: try backlog.integer("seconds", 1...86_000),
                pingsPerFrame: try backlog.integer("pings_per_frame", 1...1_000, default: 100),
                framesInFlight: try backlog.integer("frames_in_flight", 1...64, default: 4))
            try backlog.finish()
        }
        try map.finish()
        guard plan.sockets <= plan.drivers else { throw map.error("sockets", "are at most drivers") }
        guard plan.backlog == nil || plan.sockets == plan.drivers else {
            throw map.error("backlog", "needs a socket a driver: leave sockets out")
        }
        return plan
    }

    private static func audience(_ map: ScenarioMap) throws(BenchError) -> AudiencePlan {
        var plan = AudiencePlan()
        plan.viewers = try map.integer("count", 1...mostSockets)
        plan.driversPerViewer = try map.integer("drivers_each", 1...44_000, default: 1)
        let watched = try map.integer("watch_first", 0...mostDrivers, default: 0)
        plan.watched = watched > 0 ? watched : nil
        let rate = try map.number("max_rate_hz", 0...1_000, default: 0)
        plan.maximumRate = rate > 0 ? rate : nil
        plan.slowShare = try map.number("slow_share", 0...1, default: 0)
        try map.finish()
        return plan
    }

    /// Fewer drivers and viewers with the same behaviour; a time of one's own for the measured part.
    mutating func change(scale: Double, seconds: Double?) {
        func scaled(_ count: Int) -> Int { max(1, Int((Double(count) * scale).rounded())) }
        for index in plan.fleets.indices {
            let whole = plan.fleets[index].drivers
            plan.fleets[index].drivers = scaled(whole)
            plan.fleets[index].sockets = min(scaled(plan.fleets[index].sockets), plan.fleets[index].drivers)
            plan.fleets[index].pingsPerSecond *= Double(plan.fleets[index].drivers) / Double(whole)
        }
        for index in plan.audiences.indices {
            plan.audiences[index].viewers = scaled(plan.audiences[index].viewers)
            if plan.audiences[index].driversPerViewer > 1 {
                plan.audiences[index].driversPerViewer = scaled(plan.audiences[index].driversPerViewer)
            }
            plan.audiences[index].watched = plan.audiences[index].watched.map { $0 > 1 ? scaled($0) : $0 }
        }
        if let seconds {
            if plan.storm != nil { plan.storm?.at *= min(1, seconds / plan.profile.steady) }
            plan.profile.steady = seconds
        }
    }
}
