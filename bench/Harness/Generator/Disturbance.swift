/// What disturbs a run: a storm of reconnections, the flush of backlogs. Its work is done in small pieces between pings.

struct Disturbance {
    /// Connections that are still to be cut, and that are to come back, in the same order.
    private var cuts: [ConnectionIntent] = []
    private var nextCut = 0
    private var returning = 0
    private var flushing = 0
    private(set) var range: Range<Int64> = 0..<0

    private let stormDue: Int64
    private let flushDue: Int64
    private var isStormBegun = false
    private var isFlushBegun = false

    init(_ plan: LoadPlan, _ timeline: Timeline) {
        let begin = timeline.window.lowerBound
        stormDue = plan.storm.map { begin + Int64($0.at * 1e9) } ?? .max
        flushDue = plan.hasBacklog ? begin + Int64(plan.flushAt * 1e9) : .max
        guard let storm = plan.storm else { return }
        let numbers = Self.selection(storm, devices: plan.sockets, viewers: plan.viewers)
        let span = storm.within * 1e9
        for (place, number) in numbers.enumerated() {
            let due = stormDue + Int64(span * Double(place + 1) / Double(numbers.count))
            cuts.append(ConnectionIntent(due: due, number: number, isReturn: true))
        }
        returning = numbers.count
    }

    /// When something is to be begun; `Int64.max` where nothing is.
    var nextDue: Int64 {
        min(isStormBegun ? (nextCut < cuts.count ? 0 : .max) : stormDue, isFlushBegun ? .max : flushDue)
    }

    /// Does a piece of what is due. `cut` closes a connection.
    mutating func work(at time: Int64, _ connections: Connections, _ fleet: Fleet, cut: (Int) -> Void) {
        if !isStormBegun, time >= stormDue {
            isStormBegun = true
            range = stormDue..<Int64.max
            connections.add(cuts)
        }
        if isStormBegun {
            // A close takes some 20 µs; pings in between must not wait for thousands of them.
            for _ in 0..<16 where nextCut < cuts.count {
                cut(cuts[nextCut].number)
                nextCut += 1
            }
        }
        if !isFlushBegun, time >= flushDue {
            isFlushBegun = true
            flushing = fleet.beginFlush(at: time)
            range = (range.isEmpty ? flushDue : range.lowerBound)..<Int64.max
        }
    }

    /// Whether what has begun is over: then the time of it is settled.
    mutating func settle(at time: Int64, _ connections: Connections, _ fleet: Fleet) -> Bool {
        guard !range.isEmpty, range.upperBound == .max, nextCut == cuts.count || !isStormBegun else { return false }
        if isStormBegun, connections.returned < returning { return false }
        if isFlushBegun, fleet.flushedDevices < flushing { return false }
        range = range.lowerBound..<time
        return true
    }

    /// How far it is; nil where nothing goes on.
    func words(_ connections: Connections, _ fleet: Fleet) -> String? {
        guard range.upperBound == .max else { return nil }
        var words: [String] = []
        if isStormBegun { words.append("\(connections.returned) of \(returning) back") }
        if isFlushBegun { words.append("\(fleet.flushedDevices) of \(flushing) flushed") }
        return words.joined(separator: ", ")
    }

    /// How long it took; until `end` where it was not over by then, and 0 where there was none.
    func seconds(before end: Int64) -> Double {
        range.isEmpty ? 0 : Double(min(range.upperBound, end) - range.lowerBound) / 1e9
    }

    /// Who is cut, devices and viewers mixed evenly.
    static func selection(_ storm: Storm, devices: Int, viewers: Int) -> [Int] {
        let chosen = Int((Double(devices) * storm.devices).rounded())
        let watching = Int((Double(viewers) * storm.viewers).rounded())
        var places: [(rank: Double, number: Int)] = []
        for index in 0..<chosen { places.append((Double(index) / Double(chosen), index * devices / chosen)) }
        for index in 0..<watching {
            places.append((Double(index) / Double(watching), devices + index * viewers / watching))
        }
        return places.sorted { ($0.rank, $0.number) < ($1.rank, $1.number) }.map(\.number)
    }
}
