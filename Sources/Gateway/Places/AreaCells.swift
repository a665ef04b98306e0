/// Who enters an area that viewers of this process watch, while reporting to another gateway: cell channels
/// (`drover:cell:LEVEL.ROW.COLUMN`, the cells of `AreaGrid`), which others publish only while somebody listens.
///
/// The drivers inside an area when it is opened are read from the GEO set, and are listened to on their own channels like
/// everybody who is watched; so are those who were heard of on a cell, whether inside the area yet or not.
import EventLoop
import RedisClient
import Tracking

/// See the file's head. Lives on the loop's thread.
final class AreaCells {
    /// What the names of cell channels begin with.
    static let prefix = "drover:cell:"
    /// The most cells that are listened to; with more, greater ones are, in which more drivers are heard of in vain. Their
    /// names fit a control message.
    private static let limit = 2_000

    private unowned let gateway: Gateway
    private var listened: Set<UInt64> = []
    /// The state of the fan-out's areas when they were last looked at; -1 where nobody was there to be listened to.
    private var lookedAt = -1
    /// Whether the drivers of all areas are being read, and are to be once more.
    private var isReading = false
    private var mustReadAgain = false
    private var timer: LoopTimer?

    init(gateway: Gateway) {
        self.gateway = gateway
        timer = LoopTimer(loop: gateway.loop) { [unowned self] in readAll() }
    }

    func close() {
        timer?.close()
    }

    /// The channel of a cell.
    static func channel(of cell: UInt64) -> String { prefix + AreaGrid.name(of: cell) }

    /// How many cells are listened to.
    var count: Int { listened.count }

    /// Brings the drivers inside boxes, as they are now, before a viewer watches them.
    func bring(_ boxes: [Box], then: @escaping () -> Void) {
        guard let box = boxes.first else { return then() }
        gateway.places.bring(box) { [self] in bring(Array(boxes.dropFirst()), then: then) }
    }

    /// Listens to the cells of the areas that are open now, and to no others. Called when one was opened and once a second.
    func look() {
        let changes = gateway.company.count > 0 ? gateway.pipeline.fanout.areaChanges : -1
        guard changes != lookedAt else { return }
        lookedAt = changes
        let wanted = changes < 0 ? [] : Self.cells(of: gateway.pipeline.fanout.areaBoxes)
        guard wanted != listened else { return }
        gateway.bus?.ignore(listened.subtracting(wanted).map(Self.channel(of:)))
        gateway.bus?.listen(to: wanted.subtracting(listened).map(Self.channel(of:)))
        listened = wanted
        gateway.company.announceCells(wanted.map(AreaGrid.name(of:)))
    }

    private static func cells(of boxes: [Box]) -> Set<UInt64> {
        var cells: Set<UInt64> = []
        for finest in stride(from: AreaGrid.levels - 1, through: 0, by: -1) {
            cells.removeAll()
            for box in boxes { AreaGrid.forEachCell(of: box, finest: finest) { cells.insert($0) } }
            if cells.count <= limit { break }
        }
        return cells
    }

    /// These subscriptions stand from now on: whoever came before was not heard, and is read; once more when every gateway has
    /// had time to write whom it had heard of until then.
    func stand(_ channels: [String]) {
        guard channels.contains(where: { $0.hasPrefix(Self.prefix) }) else { return }
        readAll()
        timer?.start(afterMilliseconds: 2 * gateway.configuration.redisWriteIntervalMilliseconds)
    }

    private func readAll() {
        guard !isReading else {
            mustReadAgain = true
            return
        }
        isReading = true
        bring(gateway.pipeline.fanout.areaBoxes) { [self] in
            isReading = false
            gateway.flushSoon()
            guard mustReadAgain else { return }
            mustReadAgain = false
            readAll()
        }
    }
}
