/// The arithmetic of a plan: from a load and what its parts cost to cores, shards, bytes and sockets.

struct CapacityPlan {
    let workload: Workload
    let costs: CapacityCosts
    /// Processes of the gateway, one core each.
    private(set) var processes = 1.0
    /// Positions a second that one process gets over the bus; 0 where it is alone.
    private(set) var busPositions = 0.0

    init(_ workload: Workload, _ costs: CapacityCosts = CapacityCosts()) {
        self.workload = workload
        self.costs = costs
        // More processes get more over the bus in all, which may take another process: up to the number that suffices.
        processes = max(2, processesForCPU, processesForSockets)
        for _ in 0..<100 {
            busPositions = watchedHere * workload.publishedHertz
            let needed = max(2, processesForCPU, processesForSockets)
            guard needed > processes else { return }
            processes = needed
        }
    }

    // MARK: Gateways

    /// Different drivers that the viewers of one process watch, where viewers fall on processes and drivers by chance.
    var watchedHere: Double {
        let edges = workload.edges / processes
        guard workload.drivers > 0 else { return 0 }
        // (1 - 1/D)^edges, for large D.
        return workload.drivers * (1 - Self.exponential(-edges / workload.drivers))
    }

    var ingestSeconds: Double { workload.pingsPerSecond * costs.ping / 1e6 }
    var fanoutSeconds: Double { workload.groups.reduce(0) { $0 + seconds(of: $1) } }
    var busSeconds: Double { busPositions * processes * costs.busPosition / 1e6 }
    /// Cores at full use.
    var gatewayCores: Double { ingestSeconds + fanoutSeconds + busSeconds }
    private var processesForCPU: Double { (gatewayCores / workload.use).rounded(.up) }
    private var processesForSockets: Double { (workload.sockets / CapacityCosts.socketsPerProcess).rounded(.up) }

    func seconds(of group: ViewerGroup) -> Double {
        workload.updates(of: group) * (group.isWall ? costs.update : costs.delivery) / 1e6
    }

    var machines: Double { (processes / workload.coresPerMachine).rounded(.up) }
    var socketsPerProcess: Double { workload.sockets / processes }
    /// Bytes of the gateways' and the kernel's memory for sockets; a device's state is taken to be a viewer's.
    var socketBytes: Double { workload.sockets * (costs.viewerKB + costs.socketKB) * 1_000 }
    var journalBytesPerSecond: Double {
        workload.pingsPerSecond * (CapacityCosts.journalBytes - 36 + workload.idBytes)
    }

    // MARK: Redis

    var redisPing: Double { costs.redis(hertz: workload.hertz) + costs.redisShared }
    var busDeliveries: Double { busPositions * processes }
    /// Cores at full use.
    var redisCores: Double {
        (workload.pingsPerSecond * redisPing + busDeliveries * costs.busDelivery) / 1e6
    }
    /// Primaries; Redis executes commands on one thread.
    var redisShards: Double { max(1, (redisCores / workload.use).rounded(.up)) }
    var redisBytes: Double { workload.drivers * costs.redisBytes }

    // MARK: Postgres

    var rowsPerSecond: Double { workload.pingsPerSecond }
    var postgresCores: Double { rowsPerSecond * costs.row / 1e6 }
    var rowBytes: Double { costs.tableBytes + costs.keyBytes }
    var bytesPerDay: Double { rowsPerSecond * rowBytes * 86_400 }
    var historyBytes: Double { bytesPerDay * workload.retentionDays }
    var logBytesPerSecond: Double { rowsPerSecond * costs.logBytes }
    /// Primaries by what one takes.
    var postgresServers: Double {
        max(1, max(rowsPerSecond / costs.rowsPerSecond, historyBytes / (workload.diskTB * 1e12)) / workload.use)
            .rounded(.up)
    }

    // MARK: Network

    /// Bytes a second into the gateways from devices.
    var bytesIn: Double { workload.pingsPerSecond * (CapacityCosts.pingFrame + CapacityCosts.packet) }
    /// Bytes a second to devices and viewers.
    var bytesOut: Double {
        workload.groups.reduce(workload.pingsPerSecond * (CapacityCosts.acknowledgementFrame + CapacityCosts.packet)) {
            $0 + bytesOut(to: $1)
        }
    }

    private func bytesOut(to group: ViewerGroup) -> Double {
        let updates = workload.updates(of: group)
        guard group.isWall else { return updates * (CapacityCosts.pushFrame + CapacityCosts.packet) }
        // Drivers report at any moment: a wall gets all four writes of a second.
        let writes = min(updates, group.viewers * group.updatesPerSecond)
        return writes * (CapacityCosts.pushFrame + CapacityCosts.packet) + (updates - writes)
            * CapacityCosts.furtherUpdate
    }

    // MARK: What breaks first

    /// Something of which there is one at first, how much of it the load uses (1 is all), and what helps.
    struct Strain: Equatable {
        var what: String
        var share: Double
        var remedy: String
    }

    /// The parts that a load wears, the most strained first.
    var strains: [Strain] {
        let gateway = max(gatewayCores, workload.sockets / 65_536)
        let one = [
            Strain(what: "one gateway process", share: gateway, remedy: "more processes: --workers, more machines"),
            Strain(what: "one Redis", share: redisCores, remedy: "Redis Cluster: primaries by slot, GEO by cell"),
            Strain(
                what: "one Postgres primary's rows", share: rowsPerSecond / costs.rowsPerSecond,
                remedy: "rates.*_ms, else a database a region: Drover does not spread rows over servers"),
            Strain(
                what: "one Postgres disk", share: historyBytes / (workload.diskTB * 1e12),
                remedy: "history.retention_days with history.archive_directory, rates.*_ms"),
            Strain(
                what: "one 10 Gbit/s link to clients", share: max(bytesIn, bytesOut) * 8 / 10e9,
                remedy: "more machines, each with its own"),
        ]
        return one.sorted { $0.share > $1.share }
    }

    /// e to the power of `x`, at most 0: the series of a small part of it, squared (no Foundation for one function).
    static func exponential(_ x: Double) -> Double {
        guard x > -700 else { return 0 }
        var power = x
        var squarings = 0
        while power < -0.5 {
            power /= 2
            squarings += 1
        }
        var (sum, term) = (1.0, 1.0)
        for step in 1...20 {
            term *= power / Double(step)
            sum += term
        }
        for _ in 0..<squarings { sum *= sum }
        return sum
    }
}
