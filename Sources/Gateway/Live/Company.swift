/// Whether other gateways share this Redis. Alone, a gateway hears of all its drivers by itself: it listens to nobody's
/// positions and writes hashes without asking whether others know better.
///
/// Every gateway says on the control channel that it is there: when it joins, which all others answer at once, and every
/// few seconds from then on. Who has heard of nobody for long enough is alone. Until that is sure, and whenever the bus is
/// away, others are taken for granted.
import EventLoop
import Tracking

/// See the file's head. Lives on the loop's thread.
final class Company {
    /// Seconds between two signs of life, and after how many without one a gateway is gone.
    private static let beat = 5
    private static let life = 16
    /// How long others have to answer, in seconds.
    private static let patience = 2

    private struct Other {
        var heardAt: Int
        var cells: [String]
    }

    private let bus: () -> Bus?
    /// This process, among those that share the bus.
    let id = String(UInt64.random(in: .min ... .max), radix: 36)
    private var others: [String: Other] = [:]
    private var second = 0
    /// From when on nobody's answer means that there is nobody; nil while others cannot be heard.
    private var alone: Int?
    /// Whether others share the bus, or may.
    private(set) var isAccompanied = true
    /// Whether others have been heard of.
    private var hasOthers = false
    /// Whether others may have come and gone unheard since this was last known to be alone.
    private var hasMissed = false
    /// That others share the bus, or may, has changed.
    var onChange: ((Bool) -> Void)?
    /// The first of the others has come, perhaps while it could not be heard; or the last one is gone.
    var onOthers: ((_ areThere: Bool, _ hasMissed: Bool) -> Void)?
    /// Cells of the map that this process wants to be told of.
    private var cells: [String] = []
    /// Cells that others want to be told of have changed.
    var onCellsChange: ((Set<String>) -> Void)?

    init(bus: @escaping () -> Bus?) {
        self.bus = bus
    }

    /// How many others are known.
    var count: Int { others.count }

    /// Whether the gateway is one of them.
    func isThere(_ other: String) -> Bool { others[other] != nil }

    /// The bus is there, for the first time or again: who is there is found out anew.
    func join() {
        alone = second + Self.patience
        bus()?.publish(.joined(id))
        announce()
    }

    /// The bus is away: nobody can be heard, and somebody may come.
    func lose() {
        alone = nil
        hasMissed = true
        update()
    }

    /// This process ends.
    func leave() {
        bus()?.publish(.left(id))
    }

    /// Others are to publish the drivers of these cells from now on.
    func announceCells(_ cells: [String]) {
        self.cells = cells
        announce()
    }

    /// A gateway has come: it is to know of this one at once.
    func joined(_ other: String) {
        guard other != id else { return }
        heard(other, cells: [])
        announce()
    }

    /// A gateway is there.
    func heard(_ other: String, cells: [String]) {
        guard other != id else { return }
        let before = others[other]?.cells ?? []
        others[other] = Other(heardAt: second, cells: cells)
        update()
        if before != cells { tellCells() }
    }

    /// A gateway has ended.
    func left(_ other: String) {
        guard let gone = others.removeValue(forKey: other) else { return }
        update()
        if !gone.cells.isEmpty { tellCells() }
    }

    /// Called once a second.
    func everySecond() {
        second += 1
        if second % Self.beat == 0 { announce() }
        // Who cannot be heard may be there all the same.
        guard alone != nil else { return }
        let silent = others.filter { second - $0.value.heardAt > Self.life }.map(\.key)
        for other in silent { left(other) }
        update()
    }

    private func announce() {
        bus()?.publish(.here(id, cells: cells))
    }

    private func tellCells() {
        onCellsChange?(others.values.reduce(into: Set()) { $0.formUnion($1.cells) })
    }

    private func update() {
        let isAccompanied = !others.isEmpty || alone.map { second < $0 } ?? true
        if isAccompanied != self.isAccompanied {
            self.isAccompanied = isAccompanied
            onChange?(isAccompanied)
        }
        if hasOthers == others.isEmpty {
            hasOthers = !others.isEmpty
            onOthers?(hasOthers, hasMissed)
        }
        if hasOthers || !isAccompanied { hasMissed = false }
    }
}
