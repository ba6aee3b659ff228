// Command fiber2 has the health endpoints and a gate with fiber v2.
package main

import (
	"errors"
	"net"
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/tolokacheck/tolokacheck/examples/wiring/internal/service"
	"github.com/tolokacheck/tolokacheck/middleware"
)

func main() { service.Run(serve) }

func serve(checker middleware.Snapshotter, listener net.Listener) error {
	routes, err := middleware.Routes(checker)
	gate, gateErr := middleware.NewGate(checker, middleware.WithAccountInContext())
	if err := errors.Join(err, gateErr); err != nil {
		return err
	}
	app := fiber.New()
	for path, endpoint := range routes {
		app.All(path, adaptor.HTTPHandler(endpoint))
	}
	tasks := app.Group("/tasks", func(c *fiber.Ctx) error {
		request, rejection := gate.Admit(new(http.Request).WithContext(c.UserContext()))
		if rejection != nil {
			return adaptor.HTTPHandler(rejection)(c)
		}
		c.SetUserContext(request.Context()) // adaptor.HTTPMiddleware would lose the account
		return c.Next()
	})
	tasks.Get("", func(c *fiber.Ctx) error {
		account, _ := middleware.AccountFrom(c.UserContext())
		return c.SendString(account.ID())
	})
	return app.Listener(listener)
}
