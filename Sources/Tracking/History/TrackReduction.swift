/// What a reader who wants less than everything gets of a track: the pings far enough apart in time, then those that its
/// line needs.

/// Passes a track's points on, some of them, and marks those that follow a silence.
public struct TrackReduction: Sendable {
    private let silence: Microseconds
    private let every: Microseconds
    private var simplification: Simplification?
    private var lastSeen: Microseconds?
    private var lastKept: Microseconds?
    /// The last point where it was left out, since the track's last is always kept.
    private var leftOut: TrackPoint?
    private var followsSilence = true

    /// - Parameters:
    ///   - silence: how long nothing has to be heard until the track counts as interrupted, in microseconds.
    ///   - every: the least time between two points in microseconds; 0 keeps all.
    ///   - tolerance: how far the line may be from what is left out, in metres; nil leaves nothing out.
    ///   - after: the fix time of the last point that the reader has from an earlier page.
    public init(silence: Microseconds, every: Microseconds, tolerance: Double?, after: Microseconds?) {
        self.silence = silence
        self.every = every
        simplification = tolerance.map { Simplification(tolerance: $0) }
        lastSeen = after
        lastKept = after
        followsSilence = after == nil
    }

    /// Takes the next point; appends those to `output` that are decided on.
    public mutating func add(_ point: TrackPoint, to output: inout [TrackPoint]) {
        if let lastSeen, point.recordedAt - lastSeen > silence { followsSilence = true }
        lastSeen = point.recordedAt
        var point = point
        point.followsSilence = followsSilence
        if every > 0, let lastKept, point.recordedAt - lastKept < every {
            leftOut = point
            return
        }
        keep(point, &output)
    }

    /// The track is over.
    public mutating func finish(to output: inout [TrackPoint]) {
        if let leftOut { keep(leftOut, &output) }
        simplification?.finish(to: &output)
    }

    private mutating func keep(_ point: TrackPoint, _ output: inout [TrackPoint]) {
        lastKept = point.recordedAt
        leftOut = nil
        followsSilence = false
        if simplification == nil {
            output.append(point)
        } else {
            simplification?.add(point, to: &output)
        }
    }
}
