/// The end of a run: which connection is closed when.

struct Closings {
    private var closings: [(due: Int64, number: Int)] = []
    private var next = 0

    init() {}

    /// A connection ends when its last driver has, at its rank in the drop, and has had time to hear of it.
    init(_ timeline: Timeline, devices: Int, count: Int, rank: (Int) -> Double) {
        let grace = timeline.drop / Int64(max(1, devices)) + 250_000_000
        closings = (0..<count).map { number in
            let due = timeline.window.upperBound + Int64(Double(timeline.drop) * rank(number))
            return (due + grace, number)
        }.sorted { $0.due < $1.due }
    }

    /// When the next is due; `Int64.max` behind the last.
    var nextDue: Int64 { next < closings.count ? closings[next].due : .max }

    mutating func popFirst() -> Int {
        next += 1
        return closings[next - 1].number
    }
}
