/// Cost as it grows: CPU a ping over the number of drivers, a delivery over the number of viewers, an update over
/// drivers a viewer, a ping over pings a frame. All but the size stays the same along a curve.
///
/// A curve is flat when its costliest point beyond the first costs at most `Goals.flat` times the first, after the bare
/// floor's own growth over the same sizes: 15,000 sockets cost the kernel more a send than 1,000 do.

struct CurvesScenario {
    let stage: Stage
    let report: Report
    let options: RunOptions

    /// Drivers of each point; beyond `mostSockets` they share sockets through the backend's key.
    static let drivers = [1_000, 3_000, 10_000, 30_000, 100_000]
    static let viewers = [1_000, 3_000, 10_000, 15_000]
    static let driversPerViewer = [1, 2, 5, 10, 25, 50]
    static let pingsPerFrame = [1, 3, 10, 30, 100]
    /// The generator and the gateway are each allowed 20,000 descriptors on the machines this is run on.
    static let mostSockets = 15_000
    /// The two curves that a goal asks to be flat are measured in rounds of turns: their sizes differ by little.
    private static let rounds = 2
    /// Seconds of a point: shorter than elsewhere, there are many.
    private static let window = 3.0
    private static let warmUp = 0.7

    /// Seconds that it takes, openings included.
    static func plannedSeconds(_ options: RunOptions) -> Double {
        let run = min(options.warmUp, warmUp) + min(options.seconds, window) + 0.5
        let sockets = drivers.map { min($0, mostSockets) } + viewers + [drivers[0], viewers[0]]
        let opened = Double(rounds * (sockets.reduce(0, +) + 2 * mostSockets) + 50_000)
        let turn = Turns.plannedSeconds(options) / 3 * Double(rounds)
        let turns = turn * Double(drivers.count + 2 + 2 * viewers.count + 4)
        let runs = drivers.count + driversPerViewer.count + 1 + pingsPerFrame.count
        return Double(runs) * run + turns + opened / 5_000 + 15
    }

    func run() throws {
        try overDrivers()
        try overViewers()
        try overDriversPerViewer()
        try overPingsPerFrame()
    }

    private func overDrivers() throws {
        let floors = [Self.drivers[0], Self.mostSockets]
        var runs: [(RunOptions) throws -> Measurement] = []
        for drivers in Self.drivers {
            report.progress("\(grouped("\(drivers)")) drivers: known to the gateway …")
            try know(drivers)
            runs.append { turn in
                report.progress("\(grouped("\(drivers)")) drivers …")
                return try measure(fleet(drivers), nil, turn)
            }
        }
        for sockets in floors {
            runs.append { turn in
                report.progress("the floor of \(grouped("\(sockets)")) sockets …")
                return try measureFloor(fleet(sockets), nil, turn)
            }
        }
        let measured = try Turns.take(options, rounds: Self.rounds, runs)
        let costs = zip(Self.drivers, measured).map { ($0, $1.perPing($1.serverSeconds)) }
        let points = measured.prefix(Self.drivers.count)
        let floor = zip(floors, measured.dropFirst(Self.drivers.count)).map { sockets, run in
            Curve.Point(x: Double(sockets), y: run.perPing(run.serverSeconds))
        }
        try finish(
            "CPU a ping", over: "drivers", costs, runs: Array(points), goal: "scale.drivers", floor: floor,
            explained: fleet(Self.drivers[Self.drivers.count - 1]), nil)
        if let last = points.last { report.health("100,000 drivers", last) }
    }

    /// At most 4 Hz each, so that at no point a driver's pings share a hash's tick (250 ms).
    private func fleet(_ drivers: Int) -> FleetPlan {
        var plan = FleetPlan()
        plan.drivers = drivers
        plan.sockets = min(drivers, Self.mostSockets)
        plan.pingsPerSecond = min(options.pingsPerSecond, 4 * Double(Self.drivers[0]))
        return plan
    }

    /// Every driver pings once, so that a measured ping never is a driver's first.
    private func know(_ drivers: Int) throws {
        var plan = FleetPlan()
        plan.drivers = drivers
        plan.sockets = min(drivers, 500)
        plan.pingsPerSecond = 25_000
        _ = try Load(.gateway(port: stage.port, token: stage.key), fleet: plan)
            .run(warmUp: 0, seconds: Double(plan.period) / 1e6 + 0.1) {}
    }

    private func overViewers() throws {
        let floors = [Self.viewers[0], Self.mostSockets]
        var pushBytes = 0
        var runs: [(RunOptions) throws -> Measurement] = []
        for viewers in Self.viewers {
            let (plan, audience) = fanout(viewers)
            runs.append { turn in
                report.progress("\(grouped("\(viewers)")) viewers …")
                return try measure(plan, nil, turn)
            }
            runs.append { turn in
                let full = try measure(plan, audience, turn)
                pushBytes = Int(full.load.pushBytes)
                return full
            }
        }
        for viewers in floors {
            let (plan, audience) = fanout(viewers)
            runs.append { turn in
                report.progress("the floor of \(grouped("\(viewers)")) viewers …")
                return try measureFloor(plan, nil, pushBytes: pushBytes, turn)
            }
            runs.append { turn in try measureFloor(plan, audience, pushBytes: pushBytes, turn) }
        }
        let measured = try Turns.take(options, rounds: Self.rounds, runs)
        let costs = Self.viewers.indices.map { index in
            let (alone, full) = (measured[2 * index], measured[2 * index + 1])
            return (Self.viewers[index], full.perDelivery(full.loopSeconds - alone.loopSeconds))
        }
        let floor = floors.indices.map { index in
            let first = 2 * (Self.viewers.count + index)
            let cost = measured[first + 1].serverSeconds - measured[first].serverSeconds
            return Curve.Point(x: Double(floors[index]), y: measured[first + 1].perDelivery(cost))
        }
        let full = Self.viewers.indices.map { measured[2 * $0 + 1] }
        let (plan, audience) = fanout(Self.mostSockets)
        try finish(
            "CPU a delivery", over: "viewers", costs, runs: full, goal: "scale.viewers", floor: floor,
            explained: plan, audience)
        if let last = full.last { report.health("15,000 viewers", last) }
    }

    /// Ten viewers a driver, so that pings and deliveries a second are the same at each size.
    private func fanout(_ viewers: Int) -> (FleetPlan, AudiencePlan) {
        var plan = FleetPlan()
        plan.drivers = viewers / 10
        plan.sockets = plan.drivers
        plan.pingsPerSecond = options.deliveriesPerSecond / 10
        return (plan, AudiencePlan(viewers: viewers, driversPerViewer: 1))
    }

    /// 500 drivers at 1 Hz, each watched by twenty, whatever the number of viewers: the updates are the same.
    private func overDriversPerViewer() throws {
        var plan = FleetPlan()
        plan.drivers = 500
        plan.sockets = 500
        plan.pingsPerSecond = 500
        report.progress("drivers a viewer: the pings alone …")
        let alone = try measure(plan, nil)
        var runs: [Measurement] = []
        var costs: [(Int, Double)] = []
        for count in Self.driversPerViewer {
            report.progress("\(count) drivers a viewer …")
            let full = try measure(plan, AudiencePlan(viewers: 10_000 / count, driversPerViewer: count))
            runs.append(full)
            costs.append((count, full.perDelivery(full.loopSeconds - alone.loopSeconds)))
        }
        try finish("CPU an update", over: "drivers a viewer", costs, runs: runs)
    }

    private func overPingsPerFrame() throws {
        var runs: [Measurement] = []
        var costs: [(Int, Double)] = []
        for count in Self.pingsPerFrame {
            report.progress("\(count) pings a frame …")
            var plan = FleetPlan()
            plan.drivers = options.devices
            plan.sockets = options.devices
            plan.pingsPerSecond = options.pingsPerSecond
            plan.pingsPerFrame = count
            let run = try measure(plan, nil)
            runs.append(run)
            costs.append((count, run.perPing(run.serverSeconds)))
        }
        try finish("CPU a ping", over: "pings a frame", costs, runs: runs)
    }

    private func measure(
        _ plan: FleetPlan, _ audience: AudiencePlan?, _ options: RunOptions? = nil
    ) throws -> Measurement {
        let load = Load(.gateway(port: stage.port, token: stage.key), fleet: plan, audience: audience)
        return try Measurement(stage, load, options: options ?? shorter)
    }

    private func measureFloor(
        _ plan: FleetPlan, _ audience: AudiencePlan?, pushBytes: Int = 128, _ options: RunOptions? = nil
    ) throws -> Measurement {
        try stage.withFloor(pushBytes: pushBytes) { port, process in
            let load = Load(FloorLine(port: port), fleet: plan, audience: audience)
            return try Measurement(stage, load, server: process, options: options ?? shorter)
        }
    }

    private var shorter: RunOptions {
        var options = options
        options.warmUp = min(options.warmUp, Self.warmUp)
        options.seconds = min(options.seconds, Self.window)
        return options
    }

    /// A figure a point, the curve, and, where a goal asks for it, how far it is from flat.
    private func finish(
        _ what: String, over: String, _ costs: [(Int, Double)], runs: [Measurement], goal: String? = nil,
        floor: [Curve.Point] = [],
        explained plan: FleetPlan? = nil, _ audience: AudiencePlan? = nil
    ) throws {
        for (index, cost) in costs.enumerated() {
            report.add(
                "curve", "\(what), \(grouped("\(cost.0)")) \(over)", "µs", cost.1, floor: costs[0].1,
                runs: [runs[index]])
        }
        let curve = Curve(
            name: "\(what) over \(over)", over: over, unit: "µs", goal: goal,
            points: costs.map { Curve.Point(x: Double($0.0), y: $0.1) }, floor: floor)
        report.curve(curve)
        for point in floor {
            report.add(
                "curve", "\(what) of the bare floor, \(grouped(decimals(point.x, 0))) \(over)", "µs", point.y,
                floor: floor[0].y)
        }
        guard let goal, let growth = curve.growth, let plan, let last = runs.last else { return }
        report.reach(
            goal, "µs", growth * costs[0].1, floor: costs[0].1 * max(1, curve.floorGrowth ?? 1), runs: runs)
        try Explanation(stage: stage, report: report).explain([goal], last, of: audience == nil ? .gateway : .loop) {
            Load(.gateway(port: stage.port, token: stage.key), fleet: plan, audience: audience)
        }
    }
}
