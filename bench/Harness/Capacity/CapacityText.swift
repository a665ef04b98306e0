/// A plan as lines of text, each with its arithmetic; and the examples as a table for the documentation.

struct CapacityText {
    let plan: CapacityPlan

    private var workload: Workload { plan.workload }
    private var costs: CapacityCosts { plan.costs }

    var text: String {
        let heads = workload.groups.map { "\(whole($0.viewers)) viewers of \(whole($0.watched))" }
        return "\(([load] + heads).joined(separator: "; "))\n"
            + "costs: \(costs.source); \(percent(workload.use)) of each core, thread and server is planned\n\n"
            + Self.columns(loadLines + gatewayLines) + "\n" + Self.columns(redisLines + postgresLines + networkLines)
            + "\nOf one of each this takes, the most strained first:\n" + Self.columns(strainLines)
    }

    private var load: String { "\(whole(workload.drivers)) drivers at \(significant(workload.hertz)) Hz" }

    private var loadLines: [[String]] {
        var lines = [
            [
                "pings", "\(whole(workload.drivers)) × \(significant(workload.hertz)) Hz",
                "\(whole(workload.pingsPerSecond))/s",
            ]
        ]
        for group in workload.groups {
            lines.append([
                group.isWall ? "updates" : "deliveries",
                "\(whole(group.viewers)) × \(whole(group.watched)) × \(significant(min(workload.hertz, group.updatesPerSecond))) Hz",
                "\(whole(workload.updates(of: group)))/s",
            ])
        }
        return lines
    }

    private var gatewayLines: [[String]] {
        var lines = [["ingest", cost(workload.pingsPerSecond, costs.ping), cores(plan.ingestSeconds)]]
        for group in workload.groups {
            lines.append([
                "fan-out", cost(workload.updates(of: group), group.isWall ? costs.update : costs.delivery),
                cores(plan.seconds(of: group)),
            ])
        }
        lines += [
            [
                "watched by one process",
                "of \(whole(workload.drivers)) drivers, by \(whole(workload.edges)) / \(whole(plan.processes)) edges",
                "\(whole(plan.watchedHere)) drivers",
            ],
            [
                "bus to one process", "\(whole(plan.watchedHere)) × \(significant(workload.publishedHertz)) Hz",
                "\(whole(plan.busPositions))/s",
            ],
            [
                "bus", cost(plan.busPositions * plan.processes, costs.busPosition), cores(plan.busSeconds),
            ],
            [
                "processes",
                "\(significant(plan.gatewayCores)) cores / \(percent(workload.use)), \(whole(workload.sockets)) sockets / "
                    + "\(whole(CapacityCosts.socketsPerProcess)), at least 2",
                whole(plan.processes),
            ],
            [
                "machines", "\(whole(plan.processes)) / \(whole(workload.coresPerMachine)) cores", whole(plan.machines),
            ],
            [
                "sockets a process", "\(whole(workload.sockets)) / \(whole(plan.processes))",
                whole(plan.socketsPerProcess),
            ],
            [
                "memory for sockets",
                "\(whole(workload.sockets)) × (\(significant(costs.viewerKB)) + \(significant(costs.socketKB)) KB)",
                bytes(plan.socketBytes),
            ],
            [
                "journals", "\(whole(workload.pingsPerSecond)) × \(whole(49 + workload.idBytes)) B",
                "\(bytes(plan.journalBytesPerSecond))/s",
            ],
        ]
        return lines
    }

    private var redisLines: [[String]] {
        [
            [
                "Redis",
                "\(cost(workload.pingsPerSecond, plan.redisPing)) + \(cost(plan.busDeliveries, costs.busDelivery))",
                cores(plan.redisCores),
            ],
            ["Redis primaries", "\(significant(plan.redisCores)) / \(percent(workload.use))", whole(plan.redisShards)],
            ["Redis memory", "\(whole(workload.drivers)) × \(whole(costs.redisBytes)) B", bytes(plan.redisBytes)],
        ]
    }

    private var postgresLines: [[String]] {
        [
            ["Postgres CPU", cost(plan.rowsPerSecond, costs.row), cores(plan.postgresCores)],
            [
                "Postgres log", "\(whole(plan.rowsPerSecond)) × \(whole(costs.logBytes)) B",
                "\(bytes(plan.logBytesPerSecond))/s",
            ],
            [
                "Postgres disk a day", "\(whole(plan.rowsPerSecond)) × \(whole(plan.rowBytes)) B × 86,400 s",
                bytes(plan.bytesPerDay),
            ],
            [
                "Postgres disk", "\(bytes(plan.bytesPerDay)) × \(whole(workload.retentionDays)) days",
                bytes(plan.historyBytes),
            ],
            [
                "Postgres primaries",
                "the larger of \(whole(plan.rowsPerSecond)) / \(whole(costs.rowsPerSecond)) rows/s and "
                    + "\(bytes(plan.historyBytes)) / \(significant(workload.diskTB)) TB, / \(percent(workload.use))",
                whole(plan.postgresServers),
            ],
        ]
    }

    private var networkLines: [[String]] {
        [
            [
                "network in",
                "\(whole(workload.pingsPerSecond)) × (\(whole(CapacityCosts.pingFrame)) + \(whole(CapacityCosts.packet)) B)",
                bits(plan.bytesIn),
            ],
            ["network out", "acknowledgements and pushes with their packets' heads", bits(plan.bytesOut)],
        ]
    }

    private var strainLines: [[String]] {
        plan.strains.map { [$0.what, $0.remedy, percent($0.share)] }
    }

    /// The examples, a column each.
    static func examples(_ costs: CapacityCosts = CapacityCosts()) -> String {
        let plans = Workload.examples.map { ($0.name, CapacityPlan($0.workload, costs)) }
        func row(_ name: String, _ value: (CapacityPlan) -> String) -> String {
            "| \(name) | " + plans.map { value($0.1) }.joined(separator: " | ") + " |\n"
        }
        return "| | " + plans.map(\.0).joined(separator: " | ") + " |\n| --- | "
            + plans.map { _ in "---" }.joined(separator: " | ") + " |\n"
            + row("drivers, each at 1 Hz") { whole($0.workload.drivers) }
            + row("viewers × drivers each") { plan in
                plan.workload.groups.map { "\(whole($0.viewers)) × \(whole($0.watched))" }.joined(separator: ", ")
            }
            + row("gateway processes (machines of 8 cores)") { "\(whole($0.processes)) (\(whole($0.machines)))" }
            + row("of a process's cost: ingest, fan-out, bus") { plan in
                [plan.ingestSeconds, plan.fanoutSeconds, plan.busSeconds].map { percent($0 / plan.gatewayCores) }
                    .joined(separator: ", ")
            }
            + row("positions a second to one process over the bus") { whole($0.busPositions) }
            + row("sockets, memory for them") { "\(whole($0.workload.sockets)), \(bytes($0.socketBytes))" }
            + row("Redis primaries, memory") { "\(whole($0.redisShards)), \(bytes($0.redisBytes))" }
            + row("Postgres rows a second, log") {
                "\(whole($0.rowsPerSecond)), \(bytes($0.logBytesPerSecond))/s"
            }
            + row("Postgres disk a day, 30 days") { "\(bytes($0.bytesPerDay)), \(bytes($0.historyBytes))" }
            + row("Postgres primaries") { whole($0.postgresServers) }
            + row("network in, out") { "\(bits($0.bytesIn)), \(bits($0.bytesOut))" }
            + row("breaks first, of one") { plan in
                plan.strains.prefix(3).map { "\($0.what): \(percent($0.share))" }.joined(separator: "; ")
            }
    }

    // MARK: Words

    private func cost(_ number: Double, _ microseconds: Double) -> String {
        "\(whole(number)) × \(significant(microseconds)) µs"
    }

    private func cores(_ seconds: Double) -> String { "\(significant(seconds)) cores" }

    /// Lines with their columns under each other; the last one is to the right.
    private static func columns(_ lines: [[String]]) -> String {
        let widths = (0..<3).map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            let padded = line.enumerated().map { column, text in
                let space = String(repeating: " ", count: widths[column] - text.count)
                return column == 2 ? space + text : text + space
            }
            return padded.joined(separator: "  ") + "\n"
        }.joined()
    }
}

/// A number without decimals.
func whole(_ value: Double) -> String { grouped(decimals(value, 0)) }

/// `50 %`; below one, with what can still be told; `13 ×` from ten times on.
func percent(_ share: Double) -> String {
    if share >= 10 { return whole(share) + " ×" }
    return (share < 0.01 ? decimals(share * 100, 2) : whole(share * 100)) + " %"
}

/// `3.16 TB`: decimal units, as disks are sold.
func bytes(_ value: Double) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"]
    var (value, unit) = (value, 0)
    while value >= 1_000, unit < units.count - 1 { (value, unit) = (value / 1_000, unit + 1) }
    return "\(significant(value)) \(units[unit])"
}

/// `7.56 Mbit/s`, of bytes a second.
func bits(_ bytesPerSecond: Double) -> String {
    let units = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]
    var (value, unit) = (bytesPerSecond * 8, 0)
    while value >= 1_000, unit < units.count - 1 { (value, unit) = (value / 1_000, unit + 1) }
    return "\(significant(value)) \(units[unit])"
}
