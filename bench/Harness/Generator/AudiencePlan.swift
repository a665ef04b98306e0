/// Who watches what.

struct AudiencePlan {
    var viewers = 1_000
    var driversPerViewer = 1
    /// The fastest rate a viewer asks for, in writes a second; nil is the server's own.
    var maximumRate: Double?
    /// Only so many of the fleet's drivers, from the first, are watched; nil is all.
    var watched: Int?
    /// The part of the viewers that never read, 0 to 1.
    var slowShare = 0.0

    /// The drivers that a viewer watches, spread evenly over the fleet.
    func drivers(of viewer: Int, among count: Int) -> [Int] {
        let count = min(count, watched ?? count)
        let each = min(driversPerViewer, count)
        // The step has no factor in common with most fleets, so that neighbours watch different drivers.
        return (0..<each).map { (viewer + $0 * max(1, count / each)) % count }
    }

    /// Whether this one never reads: they are spread evenly.
    func isSlow(_ viewer: Int) -> Bool {
        Int(Double(viewer) * slowShare) != Int(Double(viewer + 1) * slowShare)
    }
}
