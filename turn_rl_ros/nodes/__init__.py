"""The ROS 2 nodes: thin adapters that convert, call core once, and publish. The only rclpy in the package."""
