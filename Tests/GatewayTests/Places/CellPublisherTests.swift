// Whom gateways tell of on the channels of cells, and how often.

import RedisClient
import Testing
import Tracking

@testable import Gateway

@Suite struct CellPublisherTests {
    private static let second: Microseconds = 1_000_000

    private static func position(_ latitude: Degrees7, at seconds: Int64) -> Position {
        Position(
            recordedAt: seconds * second, receivedAt: seconds * second, latitude: latitude, longitude: 200_000_000,
            accuracy: 5, speed: nil, heading: nil)
    }

    /// The channels that a position of a driver goes out on.
    private static func channels(
        _ publisher: inout CellPublisher, _ driver: DriverIndex, _ position: Position
    ) -> [String] {
        var commands = RedisCommands()
        publisher.append(Array("{}".utf8), driver, position, to: &commands)
        let lines = String(decoding: commands.bytes, as: UTF8.self).split(separator: "\r\n")
        return lines.filter { $0.hasPrefix(AreaCells.prefix) }.map(String.init)
    }

    private static func cell(_ level: Int, _ latitude: Degrees7) -> UInt64 {
        AreaGrid.cell(level, latitude: latitude, longitude: 200_000_000)
    }

    @Test func `a driver is told of when he comes into a cell that is listened to, and every five seconds`() {
        var publisher = CellPublisher(Configuration())
        #expect(publisher.isIdle)
        let cell = Self.cell(10, 600_000_000)
        publisher.listened([AreaGrid.name(of: cell), "no cell"])
        #expect(!publisher.isIdle)
        let channel = AreaCells.channel(of: cell)
        #expect(Self.channels(&publisher, 3, Self.position(300_000_000, at: 1)) == [])
        #expect(Self.channels(&publisher, 3, Self.position(600_000_000, at: 2)) == [channel])
        #expect(Self.channels(&publisher, 3, Self.position(600_000_100, at: 3)) == [])
        #expect(Self.channels(&publisher, 1, Self.position(600_000_100, at: 3)) == [channel], "another driver")
        #expect(Self.channels(&publisher, 3, Self.position(600_000_100, at: 7)) == [channel])
        #expect(Self.channels(&publisher, 3, Self.position(600_000_100, at: 11)) == [])
        #expect(Self.channels(&publisher, 3, Self.position(300_000_000, at: 12)) == [])
        #expect(Self.channels(&publisher, 3, Self.position(600_000_000, at: 13)) == [channel], "he is back")
        publisher.listened([])
        #expect(publisher.isIdle)
    }

    @Test func `cells of several levels are told, and who begins to listen hears at once`() {
        var publisher = CellPublisher(Configuration())
        let (coarse, fine) = (Self.cell(4, 600_000_000), Self.cell(12, 600_000_000))
        publisher.listened([AreaGrid.name(of: coarse)])
        #expect(Self.channels(&publisher, 0, Self.position(600_000_000, at: 1)) == [AreaCells.channel(of: coarse)])
        publisher.listened([AreaGrid.name(of: coarse), AreaGrid.name(of: fine)])
        #expect(
            Self.channels(&publisher, 0, Self.position(600_000_000, at: 2))
                == [AreaCells.channel(of: coarse), AreaCells.channel(of: fine)])
        #expect(Self.channels(&publisher, 0, Self.position(600_000_000, at: 3)) == [])
    }

    @Test func `sharded channels are published to with their own command`() {
        var configuration = Configuration()
        configuration.redisPubsub = "sharded"
        var publisher = CellPublisher(configuration)
        publisher.listened([AreaGrid.name(of: Self.cell(3, 600_000_000))])
        var commands = RedisCommands()
        publisher.append(Array("{}".utf8), 0, Self.position(600_000_000, at: 1), to: &commands)
        #expect(String(decoding: commands.bytes, as: UTF8.self).hasPrefix("*3\r\n$8\r\nSPUBLISH\r\n"))
    }
}
