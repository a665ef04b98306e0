/// When drivers are on shift: what the judge asks before a ping counts, where a platform says so (API.md, `off_shift`).
///
/// A ping counts when its fix lies within one of its driver's shifts. It is shown only while that very shift is on: what
/// a phone sends after the end of its shift, or of an earlier one, is kept and never shown.

/// A driver's shifts: a few spans of time, each from an instant up to but not including another. Fixed in size.
public struct Shifts: Sendable, Equatable {
    /// The most shifts that are remembered; of more the latest count.
    public static let capacity = 4

    /// What a fix is to its driver's shifts.
    public enum Standing: Sendable, Equatable {
        /// Outside all of them.
        case off
        /// Within one that is not on now: kept, never shown.
        case over
        /// Within the one that is on now.
        case on
    }

    /// A shift.
    private struct Span: Sendable, Equatable {
        var from: Microseconds
        var until: Microseconds

        @inline(__always)
        func contains(_ instant: Microseconds) -> Bool { from <= instant && instant < until }
    }

    /// The first `count` are shifts, in the order of time; they neither overlap nor touch. The others are all alike.
    private var spans: InlineArray<4, Span>
    private var count: UInt8

    /// Never on shift.
    public static let never = Shifts()
    /// Always on shift.
    public static let always: Shifts = {
        var shifts = Shifts()
        shifts.insert(from: .min, until: .max)
        return shifts
    }()

    /// Never on shift.
    public init() {
        spans = InlineArray(repeating: Span(from: .max, until: .max))
        count = 0
    }

    /// Whether the driver is on shift then.
    @inline(__always)
    public func contains(_ instant: Microseconds) -> Bool {
        // What is no shift contains nothing.
        for index in spans.indices where spans[index].contains(instant) { return true }
        return false
    }

    /// What a fix of `recordedAt` is at `now`.
    @inline(__always)
    public func standing(of recordedAt: Microseconds, now: Microseconds) -> Standing {
        for index in spans.indices where spans[index].contains(recordedAt) {
            return spans[index].contains(now) ? .on : .over
        }
        return .off
    }

    /// When what is on now ends or, where nothing is on, the next begins; nil where neither will happen.
    public func nextChange(after now: Microseconds) -> Microseconds? {
        for span in all {
            if span.from > now { return span.from }
            if span.until > now { return span.until == .max ? nil : span.until }
        }
        return nil
    }

    /// Adds a shift; one that overlaps or touches others becomes one with them, an empty one is none. `until` is
    /// `Microseconds.max` for one without an end.
    public mutating func insert(from: Microseconds, until: Microseconds) {
        guard from < until else { return }
        var added = Span(from: from, until: until)
        var kept: [Span] = []
        for span in all {
            if span.until < added.from || span.from > added.until {
                kept.append(span)
            } else {
                added = Span(from: min(span.from, added.from), until: max(span.until, added.until))
            }
        }
        let place = kept.firstIndex { $0.from > added.from } ?? kept.count
        kept.insert(added, at: place)
        set(kept)
    }

    /// What of the shifts lies between two instants, `until` not included.
    public func clipped(from: Microseconds, until: Microseconds) -> Shifts {
        var clipped = Shifts()
        for span in all { clipped.insert(from: max(span.from, from), until: min(span.until, until)) }
        return clipped
    }

    private var all: [Span] { (0..<Int(count)).map { spans[$0] } }

    private mutating func set(_ list: [Span]) {
        self = Shifts()
        for span in list.suffix(Self.capacity) {
            spans[Int(count)] = span
            count += 1
        }
    }

    /// Whether both say the same of every instant.
    public static func == (one: Shifts, other: Shifts) -> Bool { one.all == other.all }
}

/// The shifts of all drivers, by their numbers. Costs nothing where nobody has any.
public struct ShiftTable: Sendable {
    private enum Entry: Sendable {
        case unknown
        case known(Shifts)
    }

    /// Whether a driver's shifts must be known before a ping is judged. Otherwise a driver of whom nothing is said is
    /// always on shift.
    public let isRequired: Bool
    private var entries: [Entry] = []

    /// A table without entries.
    public init(isRequired: Bool) {
        self.isRequired = isRequired
    }

    /// Whether the judge has to ask.
    @inline(__always)
    public var isEnforced: Bool { isRequired || !entries.isEmpty }

    /// Whether pings of the driver can be judged.
    @inline(__always)
    public func isKnown(_ driver: DriverIndex) -> Bool {
        guard isRequired else { return true }
        guard driver < entries.count, case .known = entries[driver] else { return false }
        return true
    }

    /// The driver's shifts; nil where they are not known.
    @inline(__always)
    public func shifts(of driver: DriverIndex) -> Shifts? {
        if driver < entries.count, case .known(let shifts) = entries[driver] { return shifts }
        return isRequired ? nil : .always
    }

    /// The driver's shifts are these from now on; nil: they are not known any more.
    public mutating func set(_ shifts: Shifts?, of driver: DriverIndex) {
        // Where nothing is required most drivers never get an entry.
        if !isRequired, driver >= entries.count, shifts == nil || shifts == .always { return }
        while entries.count <= driver { entries.append(.unknown) }
        entries[driver] = shifts.map { .known($0) } ?? .unknown
    }

    /// What a fix of the driver is at `now`; off where nothing is known that should be.
    @inline(__always)
    public func standing(of driver: DriverIndex, recordedAt: Microseconds, now: Microseconds) -> Shifts.Standing {
        shifts(of: driver)?.standing(of: recordedAt, now: now) ?? .off
    }
}
