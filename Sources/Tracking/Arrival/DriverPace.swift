/// How fast a driver has come forward lately, standing included: what an arrival is estimated by.
import RealModule

/// A speed smoothed over the last minutes. Fed with a driver's newest positions, any distance in time apart.
public struct DriverPace: Sendable, Equatable {
    /// What is this old counts for e⁻¹ of what is new: long enough to see past a traffic light, short enough to see a jam.
    static let memory: Double = 180
    /// A silence longer than this says nothing about the way before it, in seconds.
    static let longestGap: Double = 300
    /// Less than this is no movement, however exact the positions claim to be, in metres.
    static let shortestStep = 10.0

    /// Where movement is measured from: moved on only by more than both positions can be off, so that the wobble of a
    /// parked phone is no way.
    private var anchor: Anchor?
    private var newest: Microseconds = 0
    private var metres = 0.0
    /// Time behind `metres`, and behind a pace that lasts.
    public private(set) var seconds = 0.0

    /// Nothing is known.
    public init() {}

    /// The driver is there now; what is not newer than the last is ignored.
    public mutating func move(to position: Position) {
        guard let from = anchor, position.recordedAt > newest else {
            if anchor == nil { start(at: position) }
            return
        }
        let passed = Double(position.recordedAt - newest) / 1e6
        guard passed <= Self.longestGap else { return start(at: position) }
        newest = position.recordedAt
        let kept = Double.exp(-passed / Self.memory)
        metres *= kept
        seconds = seconds * kept + passed
        let step = Distance.metres(from.latitude, from.longitude, position.latitude, position.longitude)
        if step > max(Self.shortestStep, Double(from.accuracy) + Double(position.accuracy)) {
            metres += step
            anchor = position.anchor
        }
    }

    private mutating func start(at position: Position) {
        anchor = position.anchor
        newest = position.recordedAt
        metres = 0
        seconds = 0
    }

    /// Metres a second along the straight lines between positions; nil where too little has been seen.
    public var metresPerSecond: Double? {
        seconds >= 10 ? metres / seconds : nil
    }
}
