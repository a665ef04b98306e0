/// Below README's table of goals: how costs grow, and Drover beside other servers.

struct ReadmeDetails {
    let records: [Record]

    var text: String { growth + peers }

    /// A line a curve: the cost at each size.
    private var growth: String {
        var lines = ""
        for case .curve(let curve) in records {
            let points = curve.points.map { "\(grouped(decimals($0.x, 0))): \(significant($0.y))" }
            let floor = curve.floorGrowth.map { decimals($0, 2) + " ×" } ?? ""
            lines += """
                | \(curve.name) | \(curve.over) | \(points.joined(separator: " · ")) \(curve.unit) | \
                \(curve.growth.map { decimals($0, 2) + " ×" } ?? "") | \(floor) |\n
                """
        }
        guard !lines.isEmpty else { return "" }
        return """

            How it grows: the costliest point beside the first, and the same of the bare floor.

            | what | over | cost at each size | growth | of the floor |
            | --- | --- | --- | --- | --- |

            """ + lines
    }

    /// A line a peer: its figure, then Drover's at the same rate.
    private var peers: String {
        var names: [String] = []
        var figures: [String: [Figure]] = [:]
        for case .figure(let figure) in records where figure.scenario.hasPrefix("beside ") {
            let name = String(figure.scenario.dropFirst("beside ".count))
            if figures[name] == nil { names.append(name) }
            figures[name, default: []].append(figure)
        }
        guard !names.isEmpty else { return "" }
        var lines = ""
        for name in names {
            func pair(_ what: String) -> String {
                guard let figure = figures[name]?.first(where: { $0.what.hasPrefix(what) }), let floor = figure.floor
                else { return "" }
                return "\(significant(floor)) / \(significant(figure.measured)) \(figure.unit)"
            }
            let job =
                figures[name]?.first { $0.what.hasPrefix("CPU a ping") }?.what.split(separator: "; it ").last ?? ""
            let cells = [
                "\(name): \(job)", pair("CPU a ping"), pair("CPU a delivery"), pair("ack p99"),
                pair("ping to viewer p99"), pair("pings/s for a whole core"),
            ]
            lines += "| " + cells.joined(separator: " | ") + " |\n"
        }
        return """

            Beside other servers, with the same pings, sockets, viewers and rate: the other's figure / Drover's. Drover's CPU a ping
            holds the journal, the checks and what it writes to Redis and Postgres. `bench/peers/README.md` says what each cannot do.

            | server | CPU a ping | CPU a delivery | acknowledgement p99 | ping to viewer p99 | pings/s a core carries |
            | --- | --- | --- | --- | --- | --- |

            """ + lines
    }
}
