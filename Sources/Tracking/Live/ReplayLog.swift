/// The positions of the last minute in the order in which they became known: what a viewer that was gone for a moment
/// is told again. One ring for all drivers, so that its memory is bounded whatever they do.

/// Entries are numbered from 0 in order; a cursor is the number up to which a viewer was told.
struct ReplayLog: Sendable {
    /// No entry.
    static let none = UInt64.max
    /// For how long a viewer may be gone (issue and API.md: 60 s).
    static let span: Microseconds = 60_000_000
    /// The most positions of one driver that are told again.
    static let positionsPerDriver = 64

    struct Entry: Sendable {
        var position: Position
        /// The driver's entry before this one.
        var previous: UInt64
    }

    private static let filler = Entry(
        position: Position(
            recordedAt: 0, receivedAt: 0, latitude: 0, longitude: 0, accuracy: 0, speed: nil, heading: nil),
        previous: none)

    private var entries: [Entry] = []
    private var mask: UInt64 = 0
    private let maximumCount: Int
    /// The number that the next entry gets.
    private(set) var end: UInt64 = 0

    /// `bytes` is the most memory that entries may take.
    init(bytes: Int) {
        let count = max(1_024, bytes / MemoryLayout<Entry>.stride)
        maximumCount = 1 << (Int.bitWidth - 1 - count.leadingZeroBitCount)
    }

    /// The oldest entry that is still there.
    private var first: UInt64 { end - min(end, UInt64(entries.count)) }

    /// Appends a position and returns its number.
    @inline(__always)
    mutating func append(_ position: Position, previous: UInt64) -> UInt64 {
        if end > mask || entries.isEmpty { growIfYoung(now: position.receivedAt) }
        entries[Int(truncatingIfNeeded: end & mask)] = Entry(position: position, previous: previous)
        end &+= 1
        return end &- 1
    }

    /// Uses up a number, so that cursors of before and after differ.
    mutating func skip() {
        var filler = Self.filler.position
        filler.receivedAt = entry(end &- 1)?.position.receivedAt ?? .min / 2
        _ = append(filler, previous: Self.none)
    }

    /// Nil where the entry was overwritten.
    func entry(_ number: UInt64) -> Entry? {
        number < end && number >= first ? entries[Int(truncatingIfNeeded: number & mask)] : nil
    }

    /// Overwrites an entry's position, which is nobody's from now on, and cuts off what came before it. When it was received
    /// stays, since the ring's growth goes by that.
    mutating func erase(_ number: UInt64) {
        guard let entry = entry(number) else { return }
        var filler = Self.filler
        filler.position.receivedAt = entry.position.receivedAt
        entries[Int(truncatingIfNeeded: number & mask)] = filler
    }

    /// Nothing comes before the entry any more.
    mutating func cutBefore(_ number: UInt64) {
        guard entry(number) != nil else { return }
        entries[Int(truncatingIfNeeded: number & mask)].previous = Self.none
    }

    /// The ring is full: it doubles where its oldest entry could still be asked for and there is memory.
    private mutating func growIfYoung(now: Microseconds) {
        guard !entries.isEmpty else {
            entries = Array(repeating: Self.filler, count: 1_024)
            mask = 1_023
            return
        }
        guard entries.count < maximumCount, let oldest = entry(first),
            now - oldest.position.receivedAt < Self.span
        else { return }
        var grown = Array(repeating: Self.filler, count: entries.count * 2)
        let grownMask = UInt64(grown.count - 1)
        for number in first..<end { grown[Int(number & grownMask)] = entries[Int(number & mask)] }
        entries = grown
        mask = grownMask
    }
}
