/// Tells gateways whose viewers watch areas who comes near: a driver's position goes out on the channel of a cell around him
/// too, where another gateway listens to it, when he has come into the cell and every few seconds while he is in it.
///
/// From then on the other gateway listens to the driver's own channel. That he is told of again is for what was missed:
/// a driver may report through several gateways in turn, none of which knows what the others have told.
import RedisClient
import Tracking

/// What `RedisPositions` publishes beside the drivers' own channels. Lives on the loop's thread.
struct CellPublisher {
    /// How often a driver who stays in a cell is told of, in microseconds.
    private static let repetition: Microseconds = 5_000_000

    /// What was told of a driver.
    private struct Memory {
        /// The cells, mixed; 0 where there were none.
        var cells: UInt64 = 0
        var at: Microseconds = .min / 2
    }

    /// The begin of the command, which `redis.pubsub` says.
    private let publish: [UInt8]
    /// The channels' names as arguments, of the cells that others listen to.
    private var channels: [UInt64: [UInt8]] = [:]
    private var levels: [Int] = []
    private var memory: [Memory] = []
    /// Positions that were published on cells.
    private(set) var published = 0

    init(_ configuration: Configuration) {
        publish = RedisCommands.template([configuration.redisPublishCommand], of: 3)
    }

    /// Whether nobody listens to any cell.
    var isIdle: Bool { levels.isEmpty }

    /// These are the cells that others listen to from now on, by their names.
    mutating func listened(_ names: some Sequence<String>) {
        channels = [:]
        for name in names {
            guard let cell = AreaGrid.cell(named: name) else { continue }
            channels[cell] = RedisCommands.template([AreaCells.channel(of: cell)], of: 0)
        }
        levels = Set(channels.keys.map(AreaGrid.level(of:))).sorted()
        if isIdle { memory = [] }
    }

    /// Appends the publications of a driver's position that are due; `message` is what its own channel gets. Allocates
    /// nothing but for a driver that is new.
    mutating func append(
        _ message: [UInt8], _ driver: DriverIndex, _ position: Position, to commands: inout RedisCommands
    ) {
        var cells: UInt64 = 0
        for level in levels {
            let cell = AreaGrid.cell(level, latitude: position.latitude, longitude: position.longitude)
            if channels.index(forKey: cell) != nil { cells = (cells ^ cell) &* 0x100_0000_01B3 | 1 }
        }
        while memory.count <= driver { memory.append(Memory()) }
        guard cells != 0 else { return memory[driver].cells = 0 }
        let known = memory[driver]
        guard known.cells != cells || position.receivedAt - known.at >= Self.repetition else { return }
        memory[driver] = Memory(cells: cells, at: position.receivedAt)
        for level in levels {
            let cell = AreaGrid.cell(level, latitude: position.latitude, longitude: position.longitude)
            guard let index = channels.index(forKey: cell) else { continue }
            commands.begin(template: publish)
            commands.constant(channels.values[index])
            commands.argument(message)
            published += 1
        }
    }
}
